"""Which announcements of a neighbor are refused, and why: one rule, one function.

ExaBGP checks none of this. Each rule takes the session, the prefix and its attributes and
returns the reason of a refusal in words, or None. The limit on prefixes is not here: it
depends on what else was accepted and belongs to the RIB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from bgp.path import AsPath, Attributes

MARTIANS = tuple(
    IPv4Network(prefix)
    for prefix in (
        "0.0.0.0/8",  # "this network", RFC 1122
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link local, RFC 3927; the tunnels' inner networks are taken from it
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112
    )
)

# Chosen: the longest AS_PATH in the Internet's table has fewer than this many ASes, and a path of
# thousands costs memory for each prefix that carries it.
LONGEST_AS_PATH = 255


@dataclass(frozen=True, slots=True)
class Session:
    """What the rules need to know of the session that an announcement came over."""

    local_as: int
    peer_as: int
    peer_address: IPv4Address


def reason_to_refuse(session: Session, prefix: IPv4Network, attributes: Attributes) -> str | None:
    """The first rule that refuses, in words; None when the announcement is acceptable."""
    for rule in (
        next_hop_is_not_the_peer,
        as_path_does_not_start_with_the_peer,
        own_as_in_as_path,
        as_path_too_long,
    ):
        if reason := rule(session, attributes):
            return reason
    return martian(prefix)


def next_hop_is_not_the_peer(session: Session, attributes: Attributes) -> str | None:
    """A third-party next hop cannot be reached: the inner network has two hosts only."""
    if attributes.next_hop == session.peer_address:
        return None
    return f"the next hop {attributes.next_hop} is not the peer's address {session.peer_address}"


def as_path_does_not_start_with_the_peer(session: Session, attributes: Attributes) -> str | None:
    """RFC 4271 section 6.3: the leftmost AS of an external peer's path is that peer's AS."""
    first = attributes.as_path[0] if attributes.as_path else None
    if first == session.peer_as:
        return None
    return f"the AS_PATH does not start with the peer's AS {session.peer_as}"


def own_as_in_as_path(session: Session, attributes: Attributes) -> str | None:
    """RFC 4271 section 9.1.2: a path through our own AS is a loop."""
    if session.local_as in flat(attributes.as_path):
        return f"the AS_PATH contains our own AS {session.local_as}: a loop"
    return None


def as_path_too_long(_session: Session, attributes: Attributes) -> str | None:
    """Refused rather than kept, whatever its length."""
    if sum(1 for _ in flat(attributes.as_path)) > LONGEST_AS_PATH:
        return f"the AS_PATH holds more than {LONGEST_AS_PATH} ASes"
    return None


def martian(prefix: IPv4Network) -> str | None:
    """Prefixes that are never routed between networks. The default route is none of them."""
    for network in MARTIANS:
        if prefix.prefixlen >= network.prefixlen and prefix.network_address in network:
            return f"a martian: it lies in {network}"
    return None


def flat(as_path: AsPath) -> Iterator[int]:
    """Every AS number of a path, those in sets too."""
    for element in as_path:
        if isinstance(element, tuple):
            yield from element
        else:
            yield element

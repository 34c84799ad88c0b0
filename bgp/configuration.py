"""ExaBGP's configuration file and the commands of its API."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from ipaddress import IPv4Network
from itertools import islice

from bgp.plan import NeighborPlan, SpeakerPlan

# The name of ExaBGP's API process in its configuration.
API = "api"

# RFC 4271 section 4.2: zero, or at least three; the field has 16 bits.
SHORTEST_HOLD_TIME_S = 3
LONGEST_HOLD_TIME_S = 65535

# Measured with ExaBGP 5.0: longer lines are no faster, and one read of its API takes 16 kB.
PREFIXES_A_LINE = 200


def reason_not_to_configure(plan: SpeakerPlan, neighbor: NeighborPlan) -> str | None:
    """Why ExaBGP would refuse this neighbor - and with it its whole file - in words."""
    hold_time_s = neighbor.hold_time_s
    if hold_time_s != 0 and not SHORTEST_HOLD_TIME_S <= hold_time_s <= LONGEST_HOLD_TIME_S:
        return f"a hold time of {hold_time_s} s is not allowed; use 0 or 3 to 65535 (RFC 4271 section 4.2)"
    if neighbor.keepalive_s is not None and not 0 < neighbor.keepalive_s < hold_time_s:
        return f"a keepalive every {neighbor.keepalive_s} s does not keep a hold time of {hold_time_s} s"
    if neighbor.peer_as == plan.as_towards(neighbor):
        return f"the peer's AS {neighbor.peer_as} is our own; only eBGP is spoken here"
    for other in plan.neighbors:
        if other is neighbor:
            return None
        if other.peer_address == neighbor.peer_address and other.admin_up:
            return f"its peer address {neighbor.peer_address} is that of neighbor {other.name}"
    return None


def render(plan: SpeakerPlan, neighbors: Sequence[NeighborPlan]) -> str:
    """The whole configuration file with these neighbors.

    What a peer announces is not kept in ExaBGP (`adj-rib-in`), what we announce is (`adj-rib-out`): it
    sends that again by itself after a session was lost. Messages stay at 4096 octets, which bounds a
    line of the API. The API's program is never run: see bgp/daemon.py.
    """
    head = f"process {API} {{\n    run /bin/true;\n    encoder json;\n}}\n"
    return head + "".join(_neighbor(plan, neighbor) for neighbor in neighbors)


def _neighbor(plan: SpeakerPlan, neighbor: NeighborPlan) -> str:
    return f"""
neighbor {neighbor.peer_address} {{
    local-address {neighbor.local_address};
    local-as {plan.as_towards(neighbor)};
    peer-as {neighbor.peer_as};
    router-id {plan.router_id};
    hold-time {neighbor.hold_time_s};{_keepalive_note(neighbor)}
    passive {"true" if neighbor.passive else "false"};
    listen 179;
    adj-rib-in false;
    adj-rib-out true;
    family {{
        ipv4 unicast;
    }}
    capability {{
        extended-message disable;
        graceful-restart disable;
    }}
    api {{
        processes [ {API} ];
        neighbor-changes;
        receive {{
            parsed;
            update;
            notification;
        }}
    }}
}}
"""


def _keepalive_note(neighbor: NeighborPlan) -> str:
    """A neighbor's keepalive interval stands in its description: ExaBGP has no setting for it. See bgp/timers.py."""
    return f'\n    description "keepalive {neighbor.keepalive_s}";' if neighbor.keepalive_s else ""


def keepalive_noted(description: str) -> int | None:
    """The keepalive interval, in seconds, that a description notes; None leaves it to the hold time."""
    word = description.rpartition(" ")[2]
    return int(word) if word.isdecimal() else None


def announce(plan: SpeakerPlan, neighbor: NeighborPlan, prefixes: Collection[IPv4Network]) -> Iterator[str]:
    """The commands that tell the neighbor of these prefixes, next hop self.

    An `as-path` stands for the whole path, our own AS included; without one ExaBGP puts our AS there.
    """
    path = " ".join([str(plan.as_towards(neighbor))] * (1 + neighbor.prepend))
    prepended = f" as-path [ {path} ]" if neighbor.prepend else ""
    return _bulk(f"neighbor {neighbor.peer_address} announce attributes next-hop self{prepended} nlri", prefixes)


def withdraw(neighbor: NeighborPlan, prefixes: Collection[IPv4Network]) -> Iterator[str]:
    """The commands that take these prefixes back."""
    return _bulk(f"neighbor {neighbor.peer_address} withdraw attributes next-hop self nlri", prefixes)


def cease(neighbor: NeighborPlan) -> str:
    """The command, our own, that tells the peer of an administrative shutdown before its session ends."""
    return f"cease {neighbor.peer_address}"


def reread(generation: int) -> str:
    """The command, our own, that makes ExaBGP read its configuration again and say when it has."""
    return f"reread {generation}"


def _bulk(command: str, prefixes: Collection[IPv4Network]) -> Iterator[str]:
    ordered = iter(sorted(prefixes))
    while line := tuple(islice(ordered, PREFIXES_A_LINE)):
        yield f"{command} {' '.join(map(str, line))}"

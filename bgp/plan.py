"""What one BGP speaker is to be: the value that goes down."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True)
class NeighborPlan:
    """One eBGP neighbor on a directly connected inner network.

    `interface` is the interface the next hop is reached over; the speaker only hands it through.
    `passive` waits for the peer's TCP connection instead of opening one.
    `announce` holds the prefixes that this neighbor is told of, next hop self.
    `local_as` is our AS on this session where it is another than the speaker's.
    `keepalive_s` is the time between KEEPALIVEs; None is a third of the negotiated hold time, RFC 4271's suggestion.
    `prepend` is how many times more than once our AS stands at the head of the AS_PATH of what is announced.
    """

    name: str
    interface: str
    local_address: IPv4Address
    peer_address: IPv4Address
    peer_as: int
    hold_time_s: int
    passive: bool = False
    admin_up: bool = True
    announce: tuple[IPv4Network, ...] = ()
    local_as: int | None = None
    keepalive_s: int | None = None
    prepend: int = 0


@dataclass(frozen=True, slots=True)
class SpeakerPlan:
    """One ExaBGP process: its AS, its router ID and its neighbors.

    `max_prefixes` is the most prefixes that are accepted from all neighbors together
    (the cloud's quota is 300 for each border gateway); None lifts the limit.
    """

    local_as: int
    router_id: IPv4Address
    neighbors: tuple[NeighborPlan, ...]
    max_prefixes: int | None = 300

    def as_towards(self, neighbor: NeighborPlan) -> int:
        """Our AS on the session with this neighbor."""
        return neighbor.local_as or self.local_as

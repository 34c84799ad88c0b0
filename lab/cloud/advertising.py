"""What a border gateway tells its neighbors, and between which of them it forwards. Pure.

Only VPC to on-premises and VPC to VPC pass a border gateway. What was learned from one VPN connection or virtual
interface is not told to another one, nor is traffic between two of them forwarded.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network

from lab.cloud.routing import NextHopType, Route, ValidTable


def passes(one: NextHopType, other: NextHopType) -> bool:
    """Whether traffic between two next hops passes a border gateway: one of them is a VPC."""
    return NextHopType.VPC_ATTACHMENT in (one, other)


def advertised_to(neighbor_type: NextHopType, neighbor: str, valid: ValidTable) -> tuple[IPv4Network, ...]:
    """The destinations of the valid table that a neighbor may reach over the border gateway, in the table's order.

    To a VPN connection or virtual interface they are announced by BGP, to a VPC they are what its route propagation
    chooses from. Nobody is told the way to itself.
    """

    def leads_there(route: Route) -> bool:
        is_itself = (route.next_hop_type, route.next_hop) == (neighbor_type, neighbor)
        return not is_itself and passes(route.next_hop_type, neighbor_type)

    return tuple(destination for destination, routes in valid.items() if any(map(leads_there, routes)))


def on_premises_interfaces(interfaces: Mapping[str, NextHopType]) -> frozenset[str]:
    """The interfaces of a border gateway between any two of which nothing is forwarded, one and the same included.

    `interfaces` says what each leads to. It is all that a node needs to enforce `passes`: drop what comes in by one of
    these and would go out by one of these.
    """
    return frozenset(name for name, kind in interfaces.items() if kind is not NextHopType.VPC_ATTACHMENT)

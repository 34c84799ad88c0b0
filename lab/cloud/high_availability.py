"""High availability of a VPN connection: the tunnels that it begins with, and whether it is redundant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from itertools import product

from lab.cloud.tunnel_status import Status


class HaStatus(StrEnum):
    """`haStatus` of a VPN connection, in the cloud's words."""

    REDUNDANCY = "redundancy"
    NO_REDUNDANCY = "no_redundancy"


@dataclass(frozen=True, slots=True)
class AddressPair:
    """The two public addresses that a tunnel runs between; a connection has at most one tunnel per pair."""

    cloud: IPv4Address
    customer: IPv4Address


def initial_pairs(cloud: Sequence[IPv4Address], customer: Sequence[IPv4Address]) -> tuple[AddressPair, ...]:
    """The tunnels of a connection's first creation, for the two cloud addresses and 1, 2 or 4 customer addresses.

    One: both cloud addresses to it. Two: one each. Four: cloud 1 to customer 1 and 2, cloud 2 to customer 3 and 4.
    """
    share = max(1, len(customer) // len(cloud))
    return tuple(
        AddressPair(address, customer[(position * share + offset) % len(customer)])
        for position, address in enumerate(cloud)
        for offset in range(share)
    )


def ha_status(
    cloud: Iterable[IPv4Address], customer: Iterable[IPv4Address], tunnels: Iterable[tuple[AddressPair, Status]]
) -> HaStatus:
    """`haStatus` from the tunnels' operational status.

    `redundancy` when the customer gateway has at least two public addresses, each cloud address has a tunnel to a
    different customer address, and at least one tunnel of each cloud address is UP.
    """
    known = tuple(tunnels)
    addresses = tuple(cloud)
    peers = [{pair.customer for pair, _ in known if pair.cloud == address} for address in addresses]
    to_different = any(len(set(choice)) == len(choice) for choice in product(*peers))
    up = {pair.cloud for pair, status in known if status is Status.UP}
    is_redundant = len(set(customer)) >= 2 and to_different and up.issuperset(addresses)
    return HaStatus.REDUNDANCY if is_redundant else HaStatus.NO_REDUNDANCY

"""A VPC's route table: static rules, and what route propagation takes from border gateways. Pure.

The longest prefix decides first, then the lower priority value; equal ones are used together (ECMP).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

# From the cloud.
STATIC_PRIORITIES = range(1, 256)
STATIC_PRIORITY = 100
PROPAGATION_PRIORITIES = range(101, 256)
PROPAGATION_PRIORITY = 150
EVERYTHING = (IPv4Network("0.0.0.0/0"),)
"""The CIDR bound of a propagation entry that takes all that the border gateway has."""


@dataclass(frozen=True, slots=True)
class StaticRule:
    """A rule that the user wrote. `next_hop` names a border gateway. Raises ValueError for a priority not in 1-255."""

    destination: IPv4Network
    next_hop: str
    priority: int = STATIC_PRIORITY

    def __post_init__(self) -> None:
        _check(self.priority, STATIC_PRIORITIES)


@dataclass(frozen=True, slots=True)
class RoutePropagation:
    """Takes the routes of a border gateway that lie within one of `cidrs`. Raises ValueError for a priority not in
    101-255, so that a static rule of default priority always wins over the same destination propagated.
    """

    border_gateway: str
    cidrs: tuple[IPv4Network, ...] = EVERYTHING
    priority: int = PROPAGATION_PRIORITY

    def __post_init__(self) -> None:
        _check(self.priority, PROPAGATION_PRIORITIES)

    def takes(self, destination: IPv4Network) -> bool:
        """Whether the destination lies within the bound."""
        return any(destination.subnet_of(cidr) for cidr in self.cidrs)


@dataclass(frozen=True, slots=True)
class VpcRoute:
    """A route that a VPC has, used or not."""

    destination: IPv4Network
    next_hop: str
    priority: int
    origin: Literal["static", "propagated"]


def vpc_routes(
    static: Iterable[StaticRule],
    propagations: Iterable[RoutePropagation],
    offered: Mapping[str, Iterable[IPv4Network]],
) -> tuple[VpcRoute, ...]:
    """All routes of the table. `offered` is what each border gateway advertises to this VPC."""
    written = (VpcRoute(rule.destination, rule.next_hop, rule.priority, "static") for rule in static)
    propagated = (
        VpcRoute(destination, entry.border_gateway, entry.priority, "propagated")
        for entry in propagations
        for destination in offered.get(entry.border_gateway, ())
        if entry.takes(destination)
    )
    return (*written, *propagated)


def forwarding_routes(routes: Iterable[VpcRoute]) -> dict[IPv4Network, tuple[VpcRoute, ...]]:
    """For each destination the routes that are used, one per next hop and ordered by it; several are ECMP."""
    candidates: dict[IPv4Network, dict[str, VpcRoute]] = {}
    for route in routes:
        ways = candidates.setdefault(route.destination, {})
        known = ways.get(route.next_hop)
        if known is None or route.priority < known.priority:
            ways[route.next_hop] = route
    return {destination: _lowest(ways) for destination, ways in candidates.items()}


def _lowest(ways: Mapping[str, VpcRoute]) -> tuple[VpcRoute, ...]:
    lowest = min(route.priority for route in ways.values())
    return tuple(ways[next_hop] for next_hop in sorted(ways) if ways[next_hop].priority == lowest)


def _check(priority: int, allowed: range) -> None:
    if priority not in allowed:
        raise ValueError(f"priority {priority} is not in {allowed[0]}-{allowed[-1]}")

"""The border gateway's three route tables. Pure.

The static table is edited by the user, the propagated one fed by VPC attachments and BGP; the valid one is computed
from both, and forwards:

1. Forwarding is by longest prefix.
2. For one destination the routes with the lowest next-hop type are kept,
3. of these the ones with the lowest route type,
4. of these the ones with the lowest metric.
5. What is left is used together (ECMP).

A table may hold 30 000 routes: nothing here compares networks with one another but those of VPCs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import TypeVar


class NextHopType(IntEnum):
    """What a route leads to; the lowest wins (the cloud's values)."""

    VPC_ATTACHMENT = 100
    PRIVATE_VIRTUAL_INTERFACE = 120
    VPN_CONNECTION = 140


class RouteType(IntEnum):
    """Where a route comes from; the lowest wins (the cloud's values)."""

    STATIC = 100
    PROPAGATED = 120
    EBGP = 150
    IBGP = 200


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a border gateway.

    `next_hop` names the attachment (by its VPC), the interface or the VPN connection. `via` is the tunnel of a VPN
    connection that a BGP route was learned over; a static route names none and uses all that are up.
    `metric` is the AS_PATH length of a BGP route, else 0.
    """

    destination: IPv4Network
    next_hop_type: NextHopType
    next_hop: str
    route_type: RouteType
    via: str = ""
    metric: int = 0


ValidTable = Mapping[IPv4Network, tuple[Route, ...]]
"""For each destination the routes that forward, ordered by next hop and tunnel; several are ECMP."""

UpTunnels = Mapping[str, Collection[str]]
"""For each VPN connection its tunnels that are operationally UP."""

T = TypeVar("T")


def valid_table(static: Iterable[Route], propagated: Sequence[Route], up_tunnels: UpTunnels) -> ValidTable:
    """The valid table. `propagated` is in the order in which the routes arrived (see `propagated_table`)."""
    kept_out = overlapped(propagated)
    candidates: dict[IPv4Network, list[Route]] = {}
    for route in chain(static, propagated):
        if route.route_type is RouteType.PROPAGATED and route in kept_out:
            continue
        for way in ways_of(route, up_tunnels):
            candidates.setdefault(way.destination, []).append(way)
    return {destination: best_of(routes) for destination, routes in candidates.items()}


def best_of(routes: Sequence[Route]) -> tuple[Route, ...]:
    """The routes to one destination that are used: rules 2 to 5."""
    if len(routes) == 1:
        return tuple(routes)
    for value in (_next_hop_type, _route_type, _metric):
        lowest = min(map(value, routes))
        routes = [route for route in routes if value(route) == lowest]
    return tuple(sorted(set(routes), key=lambda route: (route.next_hop, route.via)))


def longest_prefix(table: Mapping[IPv4Network, T], address: IPv4Address) -> T | None:
    """What a table holds for the longest prefix that the address is in: rule 1."""
    for length in range(32, -1, -1):
        found = table.get(IPv4Network((address, length), strict=False))
        if found is not None:
            return found
    return None


def ways_of(route: Route, up_tunnels: UpTunnels) -> tuple[Route, ...]:
    """The route over each tunnel that can carry it now; none when all of them are DOWN.

    A static route to a VPN connection uses all its tunnels that are operationally UP, a BGP route the one that it was
    learned over.
    """
    if route.next_hop_type is not NextHopType.VPN_CONNECTION:
        return (route,)
    up = up_tunnels.get(route.next_hop, ())
    if route.via:
        return (route,) if route.via in up else ()
    return tuple(replace(route, via=tunnel) for tunnel in up)


def propagated_table(before: Iterable[Route], present: Iterable[Route]) -> tuple[Route, ...]:
    """The propagated table in order of arrival: what was there keeps its place, what is new comes behind.

    A route is the same one while destination, next hop and tunnel are; its AS_PATH may change. One that left and
    comes again is new.
    """
    coming = {_identity(route): route for route in present}
    staying = [coming.pop(key) for key in map(_identity, before) if key in coming]
    return (*staying, *coming.values())


def overlapped(propagated: Iterable[Route]) -> dict[Route, Route]:
    """The VPC subnets that are kept but not valid, each with the earlier one of another VPC that it overlaps.

    Overlap, not only equality. An earlier route keeps later ones out whether it is valid itself or not, so that a route
    that goes away makes others valid and never invalid.
    """
    arrived: list[Route] = []
    kept_out: dict[Route, Route] = {}
    for route in propagated:
        if route.route_type is not RouteType.PROPAGATED:
            continue
        first = next((earlier for earlier in arrived if _keeps_out(earlier, route)), None)
        if first is not None:
            kept_out[route] = first
        arrived.append(route)
    return kept_out


def _keeps_out(earlier: Route, later: Route) -> bool:
    return earlier.next_hop != later.next_hop and earlier.destination.overlaps(later.destination)


def _identity(route: Route) -> tuple[object, ...]:
    return (route.destination, route.next_hop_type, route.next_hop, route.via)


def _next_hop_type(route: Route) -> int:
    return route.next_hop_type


def _route_type(route: Route) -> int:
    return route.route_type


def _metric(route: Route) -> int:
    return route.metric

"""What a node's kernel is to forward, from its plan and from what is seen. Pure.

A border gateway forwards by its valid table, the router of a VPC by the VPC's route table, every other node by the
routes of its plan and by BGP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from bgp.path import Path
from endpoint.plan import NextHop
from lab.cloud.advertising import advertised_to
from lab.cloud.routing import NextHopType, Route, RouteType, ValidTable, valid_table
from lab.cloud.vpc_routes import forwarding_routes, vpc_routes
from lab.node.coupling import Routes, bgp_routes, static_routes
from lab.plan.model import GatewayTables, NodePlan, VpcTable
from lab.plan.report import Offer

Learned = Mapping[IPv4Network, tuple[Path, ...]]
"""BGP's best paths to each prefix."""

Offered = Mapping[str, tuple[IPv4Network, ...]]
"""What each border gateway offers to a VPC."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """The routes that the kernel is to have, by origin, and what a border gateway offers to its VPCs."""

    static: Routes
    bgp: Routes
    offers: tuple[Offer, ...] = ()


def forwarding_of(plan: NodePlan, learned: Learned, offered: Offered, carrying: frozenset[str]) -> Forwarding:
    """What the node forwards now; `carrying` names the tunnels' interfaces that carry traffic."""
    carrying -= frozenset(plan.draining)
    tunnels = plan.endpoint.tunnels if plan.endpoint else ()
    static = dict(static_routes(plan.routes, tunnels, carrying))
    if plan.tables is not None:
        return _of_border_gateway(plan.called, plan.tables, static, valid_now(plan.tables, learned, carrying))
    if plan.vpc_table is not None:
        static |= _of_vpc(plan.vpc_table, offered)
    return Forwarding(static, bgp_routes(learned, carrying))


def valid_now(tables: GatewayTables, learned: Learned, carrying: frozenset[str]) -> ValidTable:
    """A border gateway's valid table at this moment."""
    propagated = (*tables.propagated, *_learned_routes(tables, learned))
    return valid_table(tables.static, propagated, up_tunnels(tables, carrying))


def up_tunnels(tables: GatewayTables, carrying: frozenset[str]) -> dict[str, list[str]]:
    """The tunnels of each VPN connection that carry traffic."""
    up: dict[str, list[str]] = {}
    for port in tables.tunnels:
        if port.interface in carrying:
            up.setdefault(port.vpn_connection, []).append(port.tunnel)
    return up


def _learned_routes(tables: GatewayTables, learned: Learned) -> Iterator[Route]:
    """BGP's paths as routes. Those of a session that has just left the plan, and soon the RIB, lead nowhere."""
    connection_of = {port.tunnel: port.vpn_connection for port in tables.tunnels}  # a session is called as its tunnel
    for prefix, paths in learned.items():
        for path in paths:
            connection = connection_of.get(path.neighbor)
            if connection is not None:
                yield Route(
                    prefix, NextHopType.VPN_CONNECTION, connection, RouteType.EBGP, path.neighbor, len(path.as_path)
                )


def _of_border_gateway(name: str, tables: GatewayTables, static: dict[IPv4Network, tuple[NextHop, ...]],
                       valid: ValidTable) -> Forwarding:  # fmt: skip
    vpcs = {port.vpc: port.next_hop for port in tables.vpcs}
    tunnels = {port.tunnel: NextHop(port.interface, port.peer) for port in tables.tunnels}
    bgp: dict[IPv4Network, tuple[NextHop, ...]] = {}
    for destination, routes in valid.items():
        if not routes:
            continue
        hops = tuple(tunnels[route.via] if route.via else vpcs[route.next_hop] for route in routes)
        (bgp if routes[0].route_type is RouteType.EBGP else static)[destination] = hops
    offers = tuple(
        Offer(port.vpc, name, advertised_to(NextHopType.VPC_ATTACHMENT, port.vpc, valid)) for port in tables.vpcs
    )
    return Forwarding(static, bgp, offers)


def _of_vpc(table: VpcTable, offered: Offered) -> dict[IPv4Network, tuple[NextHop, ...]]:
    gateways = {port.border_gateway: port.next_hop for port in table.gateways}
    routes = vpc_routes(table.static, table.propagations, offered)
    return {
        destination: tuple(gateways[route.next_hop] for route in chosen)
        for destination, chosen in forwarding_routes(routes).items()
    }

"""The cloud's route tables as far as the file decides them: what BGP and border gateways bring comes later. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from lab.cloud.routing import NextHopType, Route, RouteType, ValidTable, valid_table
from lab.cloud.vpc_routes import RoutePropagation, StaticRule
from lab.plan.allocations import Numbering
from lab.plan.model import GatewayPort, GatewayTables, TunnelPort, VpcPort, VpcTable
from lab.spec.model import LabSpec, VpcAttachment


def gateway_tables(
    spec: LabSpec, border_gateway: str, numbers: Numbering, vpcs: Iterable[VpcPort], tunnels: Iterable[TunnelPort]
) -> GatewayTables:
    """A border gateway's tables as far as the file decides them, and the ports that their next hops stand for."""
    return GatewayTables(
        static=static_routes(spec, border_gateway),
        propagated=propagated_routes(spec, border_gateway, numbers),
        vpcs=tuple(vpcs),
        tunnels=tuple(tunnels),
    )


def vpc_table(spec: LabSpec, name: str, gateways: Iterable[GatewayPort]) -> VpcTable:
    """A VPC's route table as far as the file decides it: left out, it takes everything from every border gateway."""
    vpc, ports = spec.cloud.vpcs[name], tuple(gateways)
    if vpc.route_propagations is None:
        propagations = tuple(RoutePropagation(port.border_gateway) for port in ports)
    else:
        propagations = tuple(
            RoutePropagation(entry.border_gateway, entry.cidrs, entry.priority) for entry in vpc.route_propagations
        )
    return VpcTable(
        vpc=name,
        static=tuple(StaticRule(rule.destination, rule.border_gateway, rule.priority) for rule in vpc.routes),
        propagations=propagations,
        gateways=ports,
    )


def valid_without_vpn(spec: LabSpec, border_gateway: str, numbers: Numbering) -> ValidTable:
    """What leads to VPCs. No route to a VPN connection, static or learned, ever takes their place."""
    return valid_table(static_routes(spec, border_gateway), propagated_routes(spec, border_gateway, numbers), {})


def static_routes(spec: LabSpec, border_gateway: str) -> tuple[Route, ...]:
    """A border gateway's static table."""
    return tuple(
        Route(route.destination, NextHopType.VPN_CONNECTION, route.vpn_connection, RouteType.STATIC)
        if route.vpn_connection is not None
        else Route(route.destination, NextHopType.VPC_ATTACHMENT, str(route.vpc), RouteType.STATIC)
        for route in spec.cloud.border_gateways[border_gateway].static_routes
    )


def propagated_routes(spec: LabSpec, border_gateway: str, numbers: Numbering) -> tuple[Route, ...]:
    """What VPC attachments bring into a border gateway's propagated table, in order of arrival.

    What is new comes in the file's order, behind what was there.
    """
    routes = (
        Route(subnet, NextHopType.VPC_ATTACHMENT, attachment.vpc, RouteType.PROPAGATED)
        for attachment in spec.cloud.vpc_attachments
        if attachment.border_gateway == border_gateway
        for subnet in propagated_subnets(spec, attachment)
    )
    arrivals = f"arrival at {border_gateway}"
    placed = [(numbers.follow(arrivals, f"{route.next_hop} {route.destination}"), route) for route in routes]
    return tuple(route for _, route in sorted(placed, key=lambda pair: pair[0]))


def propagated_subnets(spec: LabSpec, attachment: VpcAttachment) -> tuple[IPv4Network, ...]:
    """The subnets that a VPC attachment brings into the border gateway's propagated table."""
    subnets = spec.cloud.vpcs[attachment.vpc].subnets
    match attachment.propagate:
        case "all":
            return tuple(subnets.values())
        case "partial":
            return tuple(subnets[name] for name in attachment.subnets or ())
        case "none":
            return ()

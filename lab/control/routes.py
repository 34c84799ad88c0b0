"""The route tables of the cloud as they are now: plan and report put together. Pure but for `tables_of`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from lab.cloud.routing import NextHopType, Route, RouteType, ValidTable, overlapped, valid_table
from lab.cloud.vpc_routes import VpcRoute, forwarding_routes, vpc_routes
from lab.control.status import status_of
from lab.errors import LabSaysNo, UsageError
from lab.node.coupling import carrying_interfaces
from lab.node.forwarding import up_tunnels
from lab.plan.model import GatewayTables, LabPlan, NodePlan
from lab.plan.report import LabReport, NodeReport


@dataclass(frozen=True, slots=True)
class GatewayRoutes:
    """A border gateway's three tables. `kept_out`: propagated routes of VPCs that overlap an earlier one's, with it.

    `missing`: destinations of the valid table that its kernel does not have.
    """

    border_gateway: str
    static: tuple[Route, ...]
    propagated: tuple[Route, ...]
    valid: ValidTable
    kept_out: Mapping[Route, Route]
    missing: frozenset[IPv4Network]


@dataclass(frozen=True, slots=True)
class VpcRoutes:
    """A VPC's route table: all its routes, and those that forward."""

    vpc: str
    routes: tuple[VpcRoute, ...]
    forwarding: Mapping[IPv4Network, tuple[VpcRoute, ...]]
    missing: frozenset[IPv4Network]


def tables_of(lab: str, *, border_gateway: str | None = None, vpc: str | None = None) -> GatewayRoutes | VpcRoutes:
    """The tables of a border gateway or of a VPC of a running lab. Raises UsageError for an unknown name."""
    found = status_of(lab)
    if border_gateway is not None:
        node = _the(found.plan, border_gateway, {n.called: n for n in found.plan.nodes if n.tables}, "border gateway")
        return gateway_routes(node, _seen(found.report, node.name))
    routers = {n.vpc_table.vpc: n for n in found.plan.nodes if n.vpc_table}
    node = _the(found.plan, str(vpc), routers, "VPC")
    return vpc_routes_now(node, found.report)


def gateway_routes(node: NodePlan, seen: NodeReport) -> GatewayRoutes:
    """A border gateway's tables, from what its sessions, tunnels and ports are like now."""
    tables = node.tables
    assert tables is not None  # noqa: S101 - the caller's condition, for the type checker
    carrying: frozenset[str] = frozenset()
    if node.endpoint is not None and seen.endpoint is not None:
        carrying = carrying_interfaces(node.endpoint, seen.endpoint, seen.interfaces) - frozenset(node.draining)
    propagated = (*tables.propagated, *_accepted(tables, seen))
    table = valid_table(tables.static, propagated, up_tunnels(tables, carrying))
    forwarding = {destination: routes for destination, routes in table.items() if routes}
    missing = frozenset(forwarding) - {route.destination for route in seen.routes}
    return GatewayRoutes(node.called, tables.static, propagated, forwarding, overlapped(propagated), missing)


def vpc_routes_now(node: NodePlan, report: LabReport) -> VpcRoutes:
    """A VPC's route table, from what its border gateways offer it now."""
    table = node.vpc_table
    assert table is not None  # noqa: S101 - the caller's condition, for the type checker
    offered = {
        offer.border_gateway: offer.destinations
        for status in report.nodes
        for offer in (status.report.offers if status.report else ())
        if offer.vpc == table.vpc
    }
    routes = vpc_routes(table.static, table.propagations, offered)
    forwarding = forwarding_routes(routes)
    missing = frozenset(forwarding) - {route.destination for route in _seen(report, node.name).routes}
    return VpcRoutes(table.vpc, routes, forwarding, missing)


def _accepted(tables: GatewayTables, seen: NodeReport) -> Iterator[Route]:
    connection_of = {port.tunnel: port.vpn_connection for port in tables.tunnels}
    for session in seen.speaker.sessions if seen.speaker else ():
        for prefix, metric in zip(session.accepted, session.metrics, strict=True):
            connection = connection_of[session.name]
            yield Route(prefix, NextHopType.VPN_CONNECTION, connection, RouteType.EBGP, session.name, metric)


def _seen(report: LabReport, node: str) -> NodeReport:
    seen = report.node(node).report
    if seen is None:
        raise LabSaysNo(f"node {node} has not reported yet", mend="`vpnlab status` says more")
    return seen


def _the(plan: LabPlan, name: str, known: Mapping[str, NodePlan], kind: str) -> NodePlan:
    if name not in known:
        raise UsageError(f"lab {plan.name} has no {kind} {name}", mend=f"{kind}s: {', '.join(known) or 'none'}")
    return known[name]

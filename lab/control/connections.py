"""VPN connections and tunnels with the status that the cloud's console gives them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lab.cloud.high_availability import AddressPair, HaStatus, ha_status
from lab.cloud.rates import TunnelRates, rates_between
from lab.cloud.tunnel_status import Status, operational_status
from lab.node.coupling import carrying_interfaces
from lab.plan.model import ConnectionPlan, LabPlan, NodePlan
from lab.plan.report import LabReport, NodeReport


@dataclass(frozen=True, slots=True)
class TunnelStatus:
    """A VPN tunnel as the cloud sees it: what the user wants, and what is so at the cloud's end.

    `rates` are means over the last seconds; None until the gateway has counted for some.
    """

    name: str
    pair: AddressPair
    admin: Status
    operational: Status
    rates: TunnelRates | None


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """A VPN connection with its tunnels."""

    plan: ConnectionPlan
    ha_status: HaStatus
    tunnels: tuple[TunnelStatus, ...]


def connection_statuses(plan: LabPlan, report: LabReport) -> tuple[ConnectionStatus, ...]:
    """All VPN connections of a lab, in the file's order. A node that has not reported, or is stale, is not UP."""
    found = []
    for connection in plan.connections:
        node = plan.node(plan.node_called(connection.border_gateway))
        seen = _fresh(report, node.name)
        carrying, rates = _carrying(node, seen), rates_of(seen)
        tunnels = tuple(
            _tunnel_status(
                node, pair.name, AddressPair(pair.cloud_address, pair.customer_address), carrying, rates.get(pair.name)
            )
            for pair in plan.tunnels
            if pair.vpn_connection == connection.name
        )
        state = ha_status(
            connection.cloud_addresses,
            connection.customer_addresses,
            ((tunnel.pair, tunnel.operational) for tunnel in tunnels),
        )
        found.append(ConnectionStatus(connection, state, tunnels))
    return tuple(found)


def rates_of(seen: NodeReport | None) -> dict[str, TunnelRates]:
    """The rates of a border gateway's tunnels by name, as far as it has reported two samples."""
    return {
        traffic.tunnel: rates_between(traffic.earlier, traffic.latest)
        for traffic in (seen.traffic if seen else ())
        if traffic.earlier is not None and traffic.earlier.at < traffic.latest.at
    }


def _tunnel_status(
    node: NodePlan, name: str, pair: AddressPair, carrying: frozenset[str], rates: TunnelRates | None
) -> TunnelStatus:
    tunnels = {tunnel.name: tunnel for tunnel in (node.endpoint.tunnels if node.endpoint else ())}
    admin = Status.UP if tunnels[name].admin_up else Status.DOWN
    carries = tunnels[name].interface in carrying
    operational = operational_status(admin, negotiated=carries, path_up=carries)
    return TunnelStatus(name, pair, admin, operational, rates)


def _carrying(node: NodePlan, seen: NodeReport | None) -> frozenset[str]:
    if node.endpoint is None or seen is None or seen.endpoint is None:
        return frozenset()
    return carrying_interfaces(node.endpoint, seen.endpoint, seen.interfaces)


def _fresh(report: LabReport, node: str) -> NodeReport | None:
    return next((status.report for status in report.nodes if status.name == node and not status.stale), None)

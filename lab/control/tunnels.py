"""Tunnels of a running lab: as they are, and the edits that the verbs about one tunnel make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bgp.report import SessionReport
from endpoint.report import TunnelReport
from lab.cloud.rates import TunnelRates
from lab.cloud.tunnel_status import Status as TunnelStatus
from lab.cloud.tunnel_status import operational_status
from lab.control.connections import rates_of
from lab.control.status import Status
from lab.control.wanted import Wanted, tree_of
from lab.errors import LabSaysNo, UsageError
from lab.node.coupling import shut_addresses
from lab.plan.allocations import Numbering
from lab.plan.model import called_tunnel
from lab.plan.report import NodeReport
from lab.plan.tunnels import Connection, NumberedTunnel, connections
from lab.spec.dumping import dumped
from lab.spec.editing import fitted
from lab.spec.model import LabSpec
from lab.spec.names import node_name

PAIR = ("cloud_address", "customer_address")
"""What makes a tunnel the one that it is."""


@dataclass(frozen=True, slots=True)
class TunnelEnd:
    """One end of a tunnel as last seen; None where its node has not reported it."""

    node: str
    tunnel: TunnelReport | None
    session: SessionReport | None


@dataclass(frozen=True, slots=True)
class TunnelView:
    """A tunnel: what was asked for, and how it is. `reason` says why an enabled one is not usable."""

    wanted: NumberedTunnel
    connection: Connection
    admin: TunnelStatus
    operational: TunnelStatus
    reason: str | None
    cloud: TunnelEnd
    idc: TunnelEnd
    rates: TunnelRates | None


def tunnels_of(wanted: Wanted) -> tuple[tuple[Connection, NumberedTunnel], ...]:
    """All tunnels that a lab was asked to have, with their connections."""
    found = connections(wanted.spec, Numbering(wanted.allocations))
    return tuple((connection, tunnel) for connection in found for tunnel in connection.tunnels)


def tunnel_called(wanted: Wanted, name: str) -> tuple[Connection, NumberedTunnel]:
    """The tunnel of that name. Raises UsageError."""
    found = tunnels_of(wanted)
    for connection, tunnel in found:
        if name in (tunnel.name, called_tunnel(connection.name, tunnel.name)):
            return connection, tunnel
    known = ", ".join(called_tunnel(connection.name, tunnel.name) for connection, tunnel in found) or "none"
    raise UsageError(f"there is no tunnel {name} in lab {wanted.spec.name}", mend=f"tunnels: {known}")


def view(connection: Connection, tunnel: NumberedTunnel, status: Status) -> TunnelView:
    """A tunnel as it is now. Its operational status is that of the cloud's end."""
    gateway, device = (node_name(called) for called in (connection.border_gateway, connection.device))
    cloud, idc = (_end(status, node, tunnel.name) for node in (gateway, device))
    admin = TunnelStatus.UP if tunnel.spec.admin == "up" else TunnelStatus.DOWN
    seen = _seen(status, gateway)
    is_shut = seen is None or str(tunnel.spec.cloud_address) in shut_addresses(seen.interfaces)
    negotiated = cloud.tunnel is not None and cloud.tunnel.state == "up"
    operational = operational_status(admin, negotiated=negotiated, path_up=not is_shut)
    reason = None
    if admin is TunnelStatus.UP and operational is TunnelStatus.DOWN:
        reason = (cloud.tunnel.reason if cloud.tunnel else None) or ("its port is down" if is_shut else "not reported")
    return TunnelView(tunnel, connection, admin, operational, reason, cloud, idc, rates_of(seen).get(tunnel.name))


def _end(status: Status, node: str, name: str) -> TunnelEnd:
    seen = _seen(status, node)
    tunnels = seen.endpoint.tunnels if seen and seen.endpoint else ()
    sessions = seen.speaker.sessions if seen and seen.speaker else ()
    return TunnelEnd(
        node,
        next((tunnel for tunnel in tunnels if tunnel.name == name), None),
        next((session for session in sessions if session.name == name), None),
    )


def _seen(status: Status, node: str) -> NodeReport | None:
    return next((found.report for found in status.report.nodes if found.name == node and not found.stale), None)


def switched(wanted: Wanted, name: str, admin: Literal["up", "down"]) -> LabSpec:
    """The topology with a tunnel enabled or disabled."""
    return modified(wanted, name, {"admin": admin})


def modified(wanted: Wanted, name: str, settings: Mapping[str, str | None]) -> LabSpec:
    """The topology with settings of a tunnel changed, in the file's spelling. Raises UsageError, LabSaysNo."""
    connection, tunnel = tunnel_called(wanted, name)
    fixed = [setting for setting in PAIR if setting in settings]
    if fixed:
        raise LabSaysNo(
            f"tunnel {name}: {' and '.join(fixed)} cannot be changed: a tunnel is the one between these two addresses",
            mend="delete the tunnel and add another",
        )
    tree = _written_out(wanted, connection)
    _list_in(tree, connection)[connection.tunnels.index(tunnel)].update(settings)
    return fitted(tree)


def deleted(wanted: Wanted, name: str) -> LabSpec:
    """The topology without a tunnel. Raises UsageError."""
    connection, tunnel = tunnel_called(wanted, name)
    tree = _written_out(wanted, connection)
    del _list_in(tree, connection)[connection.tunnels.index(tunnel)]
    return fitted(tree)


def added(wanted: Wanted, connection: str, settings: Mapping[str, str | None]) -> LabSpec:
    """The topology with one tunnel more on a connection. Raises UsageError."""
    found = connections(wanted.spec, Numbering(wanted.allocations))
    for known in found:
        if known.name == connection:
            tree = _written_out(wanted, known)
            _list_in(tree, known).append(dict(settings))
            return fitted(tree)
    names = ", ".join(known.name for known in found) or "none"
    raise UsageError(f"there is no VPN connection {connection}", mend=f"VPN connections: {names}")


def _written_out(wanted: Wanted, connection: Connection) -> dict[str, Any]:
    """The topology as a tree, in which this connection has the addresses and tunnels written that it has in the lab."""
    tree = tree_of(wanted.spec)
    part = tree["cloud"]["vpn_connections"][connection.name]
    part["public_addresses"] = [str(address) for address in connection.public_addresses]
    part["tunnels"] = [dumped(tunnel.spec) | {"psk": None} for tunnel in connection.tunnels]
    return tree


def _list_in(tree: dict[str, Any], connection: Connection) -> list[dict[str, Any]]:
    tunnels: list[dict[str, Any]] = tree["cloud"]["vpn_connections"][connection.name]["tunnels"]
    return tunnels

"""What rules between the values of a LabSpec walk over. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.spec.model import LabSpec, Tunnel, VpnConnection
from lab.spec.wording import Path


def connections(spec: LabSpec) -> Iterator[tuple[Path, VpnConnection]]:
    """Each VPN connection and where the file says it."""
    for name, connection in spec.cloud.vpn_connections.items():
        yield ("cloud", "vpn_connections", name), connection


def tunnels(spec: LabSpec) -> Iterator[tuple[Path, VpnConnection, Tunnel]]:
    """Each tunnel that the file names, with its connection, and where the file says it."""
    for path, connection in connections(spec):
        for index, tunnel in enumerate(connection.tunnels or ()):
            yield (*path, "tunnels", index), connection, tunnel

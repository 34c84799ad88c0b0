"""A way out for each of a gateway's own addresses: what starts at an address leaves by that address's port."""

from __future__ import annotations

import socket

from endpoint.errors import EndpointError
from endpoint.interfaces import carry_out
from endpoint.plan import SourceRoute
from endpoint.policy import add_rule, delete_rule, replace_default_route, rules
from endpoint.rtnetlink import Netlink
from endpoint.xfrm import is_up

FIRST_TABLE = 1000
"""Chosen: above the tables that the kernel and iproute2 name. The n-th source route has a table of its own."""
PRIORITY = 1000
"""Chosen: before the main table (32766), so that a default route there never takes a tunnel's packets elsewhere."""


def apply_source_routes(wanted: tuple[SourceRoute, ...]) -> None:
    """Make the rules and tables be as wanted; a second call changes nothing. Raises EndpointError."""
    tables = {(route.source, table): route.interface for table, route in enumerate(wanted, FIRST_TABLE)}
    with Netlink() as kernel:
        present = rules(kernel, PRIORITY)
        changes = [
            (f"rule from {source}", delete_rule(PRIORITY, table, source=source))
            for source, table in present - tables.keys()
        ]
        indexes = {name: index for index, name in socket.if_nameindex()}
        for (source, table), interface in tables.items():
            if interface not in indexes:
                raise EndpointError(f"source route of {source}: no interface {interface}", mend="create the link first")
            if is_up(interface):  # a route needs its port up
                changes.append((f"route of {source}", replace_default_route(table, indexes[interface], source)))
            if (source, table) not in present:
                changes.append((f"rule from {source}", add_rule(PRIORITY, table, source=source)))
        carry_out(kernel, changes)

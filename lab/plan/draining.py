"""Taking the traffic off what carries it before that goes: out of tunnels, and over from BGP to static routes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from ipaddress import IPv4Network

from lab.cloud.routing import NextHopType
from lab.plan.model import LabPlan, NodePlan


def drained(plan: LabPlan, tunnels: Collection[str]) -> LabPlan:
    """The plan with these tunnels up and empty.

    Their BGP sessions stay and both ends withdraw what they announced; neither end routes anything over them, whatever
    it has learned or was told.
    """
    return replace(plan, nodes=tuple(_drained(node, tunnels) for node in plan.nodes))


def _drained(node: NodePlan, tunnels: Collection[str]) -> NodePlan:
    ends = node.endpoint.tunnels if node.endpoint else ()
    draining = tuple(tunnel.interface for tunnel in ends if tunnel.name in tunnels)
    if node.speaker is None:
        return replace(node, draining=draining)
    neighbors = tuple(replace(n, announce=()) if n.name in tunnels else n for n in node.speaker.neighbors)
    return replace(node, draining=draining, speaker=replace(node.speaker, neighbors=neighbors))


def standing_in(before: LabPlan, after: LabPlan) -> LabPlan:
    """The plan before, with the static routes that take over where BGP is switched off by the plan after.

    A static route wins over the same prefix of BGP at both ends, so traffic has changed over before a session closes.
    """
    closing = _without_bgp(after) - _without_bgp(before)
    if not closing:
        return before
    following = {node.name: node for node in after.nodes}
    tunnels = {pair.name for pair in before.tunnels if pair.vpn_connection in closing}
    return replace(
        before, nodes=tuple(_standing_in(node, following.get(node.name), closing, tunnels) for node in before.nodes)
    )


def static_destinations(node: NodePlan) -> Mapping[IPv4Network, frozenset[str]]:
    """The destinations that a node's static routes lead into tunnels, with the interfaces of those tunnels."""
    found: dict[IPv4Network, frozenset[str]] = {}
    ends = frozenset(tunnel.interface for tunnel in (node.endpoint.tunnels if node.endpoint else ()))
    for planned in node.routes:
        hops = frozenset(hop.interface for hop in planned.next_hops) & ends
        if hops:
            found[planned.destination] = found.get(planned.destination, frozenset()) | hops
    for route in node.tables.static if node.tables else ():
        if node.tables is not None and route.next_hop_type is NextHopType.VPN_CONNECTION:
            ports = (port for port in node.tables.tunnels if port.vpn_connection == route.next_hop)
            hops = frozenset(port.interface for port in ports)
            found[route.destination] = found.get(route.destination, frozenset()) | hops
    return found


def _without_bgp(plan: LabPlan) -> frozenset[str]:
    return frozenset(connection.name for connection in plan.connections if not connection.bgp)


def _standing_in(node: NodePlan, then: NodePlan | None, closing: frozenset[str], tunnels: set[str]) -> NodePlan:
    if then is None or node.endpoint is None:
        return node
    ends = {tunnel.interface for tunnel in node.endpoint.tunnels if tunnel.name in tunnels}
    taken = {route.destination for route in node.routes}
    new = tuple(
        route
        for route in then.routes
        if route.destination not in taken and all(hop.interface in ends for hop in route.next_hops)
    )
    node = replace(node, routes=node.routes + new)
    if node.tables is None or then.tables is None:
        return node
    static = tuple(
        route
        for route in then.tables.static
        if route.next_hop_type is NextHopType.VPN_CONNECTION and route.next_hop in closing
    )
    kept = tuple(route for route in node.tables.static if route not in static)
    return replace(node, tables=replace(node.tables, static=kept + static))

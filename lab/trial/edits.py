"""What a fault makes of a lab's plan: each edit takes a plan and gives another one. Pure.

Undoing any of them is giving the lab the plan on record again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from bgp.plan import NeighborPlan
from endpoint.plan import TunnelPlan
from lab.errors import UsageError
from lab.plan.impairments import Drop, Impairments, Netem, Traffic
from lab.plan.model import LabPlan, NodePlan, TunnelPair
from lab.trial.model import Side

INTERNET = "internet"  # the role of the router between the two sides


def pair_called(plan: LabPlan, tunnel: str) -> TunnelPair:
    """The tunnel of that name. Raises UsageError."""
    for pair in plan.tunnels:
        if pair.name == tunnel:
            return pair
    known = ", ".join(pair.name for pair in plan.tunnels) or "none"
    raise UsageError(f"there is no tunnel {tunnel} in lab {plan.name}", mend=f"tunnels: {known}")


def gateway_of(pair: TunnelPair, side: Side) -> str:
    """The node at one end of a tunnel."""
    return pair.cloud_node if side == "cloud" else pair.idc_node


def session_closed(plan: LabPlan, tunnel: str) -> LabPlan:
    """The customer's device ends the tunnel's BGP session and opens none."""
    return _on_session(plan, tunnel, lambda neighbor: replace(neighbor, admin_up=False))


def prefixes_withdrawn(plan: LabPlan, tunnel: str) -> LabPlan:
    """The customer's device announces nothing over the tunnel; its session stays."""
    return _on_session(plan, tunnel, lambda neighbor: replace(neighbor, announce=()))


def port_shut(plan: LabPlan, tunnel: str) -> LabPlan:
    """The interface of the customer's device that carries the tunnel is down."""
    pair = pair_called(plan, tunnel)
    address = _end(plan.node(pair.idc_node), tunnel).local_address

    def shut(node: NodePlan) -> NodePlan:
        ports = tuple(
            replace(port, up=port.up and all(own.ip != address for own in port.addresses)) for port in node.interfaces
        )
        return replace(node, interfaces=ports)

    return on_node(plan, pair.idc_node, shut)


def sas_deleted(plan: LabPlan, tunnel: str) -> LabPlan:
    """The customer's device deletes the tunnel's SAs, says so to its peer, and makes no new ones."""
    pair = pair_called(plan, tunnel)
    return on_node(plan, pair.idc_node, lambda node: _on_end(node, tunnel, lambda end: replace(end, admin_up=False)))


def tunnel_disabled(plan: LabPlan, tunnel: str) -> LabPlan:
    """The tunnel's admin status is DOWN: no SAs and no session at either end."""
    pair = pair_called(plan, tunnel)
    for name in (pair.cloud_node, pair.idc_node):
        plan = on_node(plan, name, lambda node: _on_end(node, tunnel, lambda end: replace(end, admin_up=False)))
        plan = on_node(plan, name, lambda node: _on_neighbor(node, tunnel, lambda one: replace(one, admin_up=False)))
    return plan


def dark(plan: LabPlan, name: str) -> LabPlan:
    """A node without power: all its ports are down, and nothing runs in it."""

    def off(node: NodePlan) -> NodePlan:
        ports = tuple(replace(port, up=False) for port in node.interfaces)
        return replace(node, interfaces=ports, source_routes=(), routes=(), endpoint=None, speaker=None, draining=())

    return on_node(plan, name, off)


def dropped(plan: LabPlan, tunnel: str, senders: tuple[Side, ...], traffic: Traffic = "all") -> LabPlan:
    """The tunnel's path loses, without a word, what these sides send."""
    cloud, customer = _path(plan, tunnel)
    ways: dict[Side, tuple[str, str]] = {"cloud": (cloud, customer), "idc": (customer, cloud)}
    drops = tuple(Drop(*ways[side], traffic) for side in senders)
    return _impaired(plan, Impairments(drops=drops))


def hindered(plan: LabPlan, tunnel: str, *, delay_ms: float = 0.0, loss_percent: float = 0.0) -> LabPlan:
    """The tunnel's path delays or loses packets both ways, as does any other path over the same addresses."""
    netem = tuple(Netem(port, delay_ms, loss_percent) for port in _path(plan, tunnel))
    return _impaired(plan, Impairments(netem=netem))


def on_node(plan: LabPlan, name: str, edit: Callable[[NodePlan], NodePlan]) -> LabPlan:
    """The plan with one node changed."""
    return replace(plan, nodes=tuple(edit(node) if node.name == name else node for node in plan.nodes))


def _impaired(plan: LabPlan, impairments: Impairments) -> LabPlan:
    return on_node(plan, _internet(plan).name, lambda node: replace(node, impairments=impairments))


def _path(plan: LabPlan, tunnel: str) -> tuple[str, str]:
    """The interfaces of the internet's router towards the tunnel's cloud address and its customer address."""
    pair = pair_called(plan, tunnel)
    return _towards(plan, pair.cloud_address), _towards(plan, pair.customer_address)


def _towards(plan: LabPlan, address: IPv4Address) -> str:
    routes = {route.destination: route.next_hops for route in _internet(plan).routes}
    return routes[IPv4Network(address)][0].interface


def _internet(plan: LabPlan) -> NodePlan:
    return next(node for node in plan.nodes if node.role == INTERNET)


def _end(node: NodePlan, tunnel: str) -> TunnelPlan:
    return next(end for end in (node.endpoint.tunnels if node.endpoint else ()) if end.name == tunnel)


def _on_end(node: NodePlan, tunnel: str, edit: Callable[[TunnelPlan], TunnelPlan]) -> NodePlan:
    if node.endpoint is None:
        return node
    ends = tuple(edit(end) if end.name == tunnel else end for end in node.endpoint.tunnels)
    return replace(node, endpoint=replace(node.endpoint, tunnels=ends))


def _on_neighbor(node: NodePlan, tunnel: str, edit: Callable[[NeighborPlan], NeighborPlan]) -> NodePlan:
    if node.speaker is None:
        return node
    neighbors = tuple(edit(one) if one.name == tunnel else one for one in node.speaker.neighbors)
    return replace(node, speaker=replace(node.speaker, neighbors=neighbors))


def _on_session(plan: LabPlan, tunnel: str, edit: Callable[[NeighborPlan], NeighborPlan]) -> LabPlan:
    pair = pair_called(plan, tunnel)
    changed = on_node(plan, pair.idc_node, lambda node: _on_neighbor(node, tunnel, edit))
    if changed == plan:
        raise UsageError(f"tunnel {tunnel} has no BGP session that could fail", mend="choose another fault or tunnel")
    return changed

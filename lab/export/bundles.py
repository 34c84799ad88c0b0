"""What each node of a lab is given when no lab process looks after it. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network

from bgp.path import Path
from lab.node.forwarding import Learned, forwarding_of
from lab.plan.bundle import Bundle
from lab.plan.lacks import expected_prefixes
from lab.plan.model import LabPlan, NodePlan


def bundles(plan: LabPlan) -> dict[str, Bundle]:
    """The bundle of each node, by name.

    In a lab the lab process tells the router of a VPC what its border gateways offer, as it changes. Here nobody does,
    so it is told once and for all what they offer when every tunnel is up: it goes on sending to a border gateway
    what that cannot forward for the moment.
    """
    offered: dict[str, dict[str, tuple[IPv4Network, ...]]] = {}
    for node in plan.nodes:
        tunnels = node.endpoint.tunnels if node.endpoint else ()
        carrying = frozenset(tunnel.interface for tunnel in tunnels if tunnel.admin_up)
        for offer in forwarding_of(node, _learned(plan, node), {}, carrying).offers:
            offered.setdefault(offer.vpc, {})[offer.border_gateway] = offer.destinations
    return {
        node.name: Bundle(node, offered.get(node.vpc_table.vpc, {}) if node.vpc_table else {}) for node in plan.nodes
    }


def _learned(plan: LabPlan, node: NodePlan) -> Learned:
    """What the node's neighbors announce by plan, every session being up."""
    learned: dict[IPv4Network, tuple[Path, ...]] = {}
    for neighbor in node.speaker.neighbors if node.speaker else ():
        path = Path(neighbor.name, neighbor.interface, neighbor.peer_address, (neighbor.peer_as,))
        for prefix in sorted(expected_prefixes(plan, node, neighbor)) if neighbor.admin_up else ():
            learned[prefix] = (*learned.get(prefix, ()), path)
    return learned

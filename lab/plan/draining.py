"""Taking the traffic out of tunnels before their SAs go. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

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

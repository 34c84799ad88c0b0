"""Taking the traffic out of tunnels before their SAs go. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lab.plan.model import LabPlan, NodePlan


def drained(plan: LabPlan, tunnels: Collection[str]) -> LabPlan:
    """The plan with these tunnels up and empty: their BGP sessions stay and both ends withdraw what they announced."""
    return replace(plan, nodes=tuple(_drained(node, tunnels) for node in plan.nodes))


def _drained(node: NodePlan, tunnels: Collection[str]) -> NodePlan:
    if node.speaker is None:
        return node
    neighbors = tuple(replace(n, announce=()) if n.name in tunnels else n for n in node.speaker.neighbors)
    return replace(node, speaker=replace(node.speaker, neighbors=neighbors))

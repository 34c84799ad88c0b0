"""What of a lab a change concerns. What was amiss before, and is not touched, is not waited for. Pure.

A user who disables one tunnel is not to be told that this failed because another one has been broken since yesterday.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lab.plan.lacks import Lack
from lab.plan.model import LabPlan


def amiss_as_before(
    before: LabPlan, after: LabPlan, lacking_before: Iterable[Lack], missing: Iterable[Lack]
) -> tuple[Lack, ...]:
    """Those of `missing` that are no consequence of going from one plan to the other, in their order.

    What hangs on a tunnel is one where the tunnel, or anything that hangs on it, lacked before and neither end of it
    is planned otherwise now; anything else where just this lacked before on a node that is planned as it was.
    """
    known = tuple(lacking_before)
    tunnels = {lack.tunnel for lack in known if lack.tunnel} & _same_tunnels(before, after)
    elsewhere = {lack.what for lack in known if lack.tunnel is None and lack.node in _same_nodes(before, after)}
    return tuple(lack for lack in missing if lack.tunnel in tunnels or (lack.tunnel is None and lack.what in elsewhere))


def _same_tunnels(before: LabPlan, after: LabPlan) -> set[str]:
    ends_before, ends_after = _tunnel_ends(before), _tunnel_ends(after)
    return {name for name, ends in ends_before.items() if ends_after.get(name) == ends}


def _tunnel_ends(plan: LabPlan) -> dict[str, list[object]]:
    """By tunnel what is planned at its ends: the tunnel, and the session over it but for what it announces."""
    found: dict[str, list[object]] = {}
    for node in plan.nodes:
        for tunnel in node.endpoint.tunnels if node.endpoint else ():
            found.setdefault(tunnel.name, []).append((node.name, tunnel))
        for neighbor in node.speaker.neighbors if node.speaker else ():
            found.setdefault(neighbor.name, []).append(replace(neighbor, announce=(), prepend=0))
    return found


def _same_nodes(before: LabPlan, after: LabPlan) -> set[str]:
    kept = {node.name: node for node in before.nodes}
    return {node.name for node in after.nodes if kept.get(node.name) == node}

"""What a lab still lacks: the plan against the report. Pure.

Causes come before consequences: a session is not asked for while its tunnel is down, a prefix not before its session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Network

from lab.plan.lacks import Lack, expected_prefixes, node_lacks, tunnel_label
from lab.plan.model import LabPlan, NodePlan
from lab.plan.report import LabReport, NodeReport

PHASES = ("nodes", "tunnels", "sessions", "routes")
"""In the order in which a lab comes up; a ping through each tunnel follows."""


def lacks(plan: LabPlan, report: LabReport) -> tuple[Lack, ...]:
    """Everything that the plan asks for and the report does not show, causes first."""
    found = [lack for node in plan.nodes for lack in _node_lacks(plan, node, report)]
    return tuple(sorted(found, key=lambda lack: PHASES.index(lack.phase)))


def reached_phases(missing: tuple[Lack, ...]) -> tuple[str, ...]:
    """The phases that nothing is missing of, in order, up to the first that is not reached."""
    behind = {lack.phase for lack in missing}
    reached = []
    for phase in PHASES:
        if phase in behind:
            break
        reached.append(phase)
    return tuple(reached)


def _node_lacks(plan: LabPlan, node: NodePlan, report: LabReport) -> Iterator[Lack]:
    try:
        status = report.node(node.name)
    except KeyError:
        yield Lack("nodes", f"node {node.name}", "not made yet")
        return
    seen = status.report
    if seen is None:
        last = f"; last: {status.agent_last_exit}" if status.agent_last_exit else ""
        yield Lack("nodes", f"node {node.name}", f"its agent has not reported yet{last}")
        return
    if status.stale:
        yield Lack(
            "nodes", f"node {node.name}", f"its agent does not answer; last report {status.report_age_s:.0f} s old"
        )
        return
    yield from node_lacks(node, seen, lambda neighbor: expected_prefixes(plan, node, neighbor))
    yield from _vpc_lacks(node, seen, report)


def _vpc_lacks(node: NodePlan, seen: NodeReport, report: LabReport) -> Iterator[Lack]:
    """What border gateways offer to a VPC by now, and it has not got."""
    installed = {route.destination for route in seen.routes}
    if node.vpc_table is None:
        return
    for entry in node.vpc_table.propagations:
        for destination in _offered(entry.border_gateway, node.vpc_table.vpc, report):
            if entry.takes(destination) and destination not in installed:
                yield Lack("routes", f"{destination} from {entry.border_gateway} on {node.name}", "not propagated yet")


def _offered(border_gateway: str, vpc: str, report: LabReport) -> tuple[IPv4Network, ...]:
    return next(
        (
            offer.destinations
            for status in report.nodes
            for offer in (status.report.offers if status.report else ())
            if (offer.border_gateway, offer.vpc) == (border_gateway, vpc)
        ),
        (),
    )


def lacks_of_drain(plan: LabPlan, tunnels: Collection[str], report: LabReport) -> tuple[Lack, ...]:
    """What is still sent into these tunnels: nothing is, once no end takes or has a route over one of them."""
    return tuple(
        lack
        for pair in plan.tunnels
        if pair.name in tunnels
        for name in (pair.cloud_node, pair.idc_node)
        for lack in _drain_lacks(plan.node(name), pair.name, report)
    )


def _drain_lacks(node: NodePlan, tunnel: str, report: LabReport) -> Iterator[Lack]:
    status = next((status for status in report.nodes if status.name == node.name), None)
    seen = status.report if status is not None and not status.stale else None
    label = tunnel_label(tunnel, node.name)
    if seen is None:
        yield Lack("nodes", label, "its agent does not say what is routed over it")
        return
    interfaces = {end.interface for end in (node.endpoint.tunnels if node.endpoint else ()) if end.name == tunnel}
    for session in seen.speaker.sessions if seen.speaker else ():
        if session.name == tunnel and session.accepted:
            yield Lack("sessions", label, f"its neighbor still announces {len(session.accepted)} prefixes")
    for route in seen.routes:
        if any(hop.interface in interfaces for hop in route.next_hops):
            yield Lack("routes", label, f"{route.destination} is still routed over it")

"""What a lab still lacks: the plan against the report. Pure.

Causes come before consequences: a session is not asked for while its tunnel is down, a prefix not before its session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import IPv4Network

from lab.plan.draining import static_destinations
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
        yield Lack("nodes", f"node {node.name}", "not made yet", node.name)
        return
    seen = status.report
    if seen is None:
        last = f"; last: {status.agent_last_exit}" if status.agent_last_exit else ""
        yield Lack("nodes", f"node {node.name}", f"its agent has not reported yet{last}", node.name)
        return
    if status.stale:
        seen_last = f"its agent does not answer; last report {status.report_age_s:.0f} s old"
        yield Lack("nodes", f"node {node.name}", seen_last, node.name)
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
                what = f"{destination} from {entry.border_gateway} on {node.name}"
                yield Lack("routes", what, "not propagated yet", node.name)


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


def lacks_of_stand_in(before: LabPlan, now: LabPlan, report: LabReport) -> tuple[Lack, ...]:
    """Which of the static routes that came into the plan are not in the kernel yet, of those that can be there."""
    return tuple(lack for node in now.nodes for lack in _stand_in_lacks(before.node(node.name), node, report))


def _stand_in_lacks(before: NodePlan, now: NodePlan, report: LabReport) -> Iterator[Lack]:
    known = static_destinations(before)
    new = {to: interfaces for to, interfaces in static_destinations(now).items() if to not in known}
    seen = _seen(report, now.name)
    tunnels = seen.endpoint.tunnels if seen and seen.endpoint else ()
    up = {tunnel.interface for tunnel in tunnels if tunnel.state == "up"}
    installed = {route.destination for route in (seen.routes if seen else ()) if route.origin == "static"}
    for destination, interfaces in new.items():
        label = f"{destination} on {now.name}"
        if seen is None:
            yield Lack("nodes", label, "its agent does not say whether its static route is there", now.name)
        elif destination not in installed and interfaces & up:
            yield Lack("routes", label, "its static route is not in the kernel", now.name)


def _drain_lacks(node: NodePlan, tunnel: str, report: LabReport) -> Iterator[Lack]:
    seen, label = _seen(report, node.name), tunnel_label(tunnel, node.name)
    if seen is None:
        yield Lack("nodes", label, "its agent does not say what is routed over it", node.name, tunnel)
        return
    interfaces = {end.interface for end in (node.endpoint.tunnels if node.endpoint else ()) if end.name == tunnel}
    for session in seen.speaker.sessions if seen.speaker else ():
        if session.name == tunnel and session.accepted:
            still = f"its neighbor still announces {len(session.accepted)} prefixes"
            yield Lack("sessions", label, still, node.name, tunnel)
    for route in seen.routes:
        if any(hop.interface in interfaces for hop in route.next_hops):
            yield Lack("routes", label, f"{route.destination} is still routed over it", node.name, tunnel)


def _seen(report: LabReport, node: str) -> NodeReport | None:
    """What a node says of itself, unless that is stale."""
    return next((status.report for status in report.nodes if status.name == node and not status.stale), None)

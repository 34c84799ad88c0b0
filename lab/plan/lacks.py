"""What one node still lacks: its plan against its report. Pure, and known to the node itself too.

Causes come before consequences: a session is not asked for while its tunnel is down, a prefix not before its session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from bgp.plan import NeighborPlan
from bgp.report import SessionReport
from endpoint.report import TunnelReport
from lab.plan.model import LabPlan, NodePlan
from lab.plan.report import NodeReport

Expected = Callable[[NeighborPlan], Collection[IPv4Network]]
"""The prefixes that are expected of a neighbor."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is awaited: what it is, and what was seen of it last. `phase` orders causes.

    `node` is where it is awaited, empty for the lab as a whole; `tunnel` is the tunnel that it hangs on, if any.
    """

    phase: str
    what: str
    seen: str
    node: str = ""
    tunnel: str | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.seen}"


def node_lacks(node: NodePlan, seen: NodeReport, expected: Expected = lambda _: ()) -> Iterator[Lack]:
    """Everything that the node's plan asks for, or that is expected of its neighbors, and its report does not show."""
    for problem in seen.problems:
        yield Lack("nodes", f"node {node.name}", problem, node.name)
    down = frozenset(lack.what for lack in _tunnel_lacks(node, seen))
    yield from _tunnel_lacks(node, seen)
    yield from _session_lacks(node, seen, down, expected)


def tunnel_label(tunnel: str, node: str) -> str:
    """How a tunnel's end is called in messages."""
    return f"tunnel {tunnel} on {node}"


def _tunnel_lacks(node: NodePlan, seen: NodeReport) -> Iterator[Lack]:
    reports = {tunnel.name: tunnel for tunnel in (seen.endpoint.tunnels if seen.endpoint else ())}
    for tunnel in node.endpoint.tunnels if node.endpoint else ():
        report, label = reports.get(tunnel.name), tunnel_label(tunnel.name, node.name)
        if not tunnel.admin_up and report is not None and report.ike is not None:
            yield Lack("tunnels", label, "administratively down, and has SAs still", node.name, tunnel.name)
        if tunnel.admin_up and (report is None or report.state != "up"):
            yield Lack("tunnels", label, describe_tunnel(report), node.name, tunnel.name)


def describe_tunnel(report: TunnelReport | None) -> str:
    """A tunnel that is not up, in words."""
    if report is None:
        return "not reported yet"
    ike = f"IKE_SA {report.ike.state}" if report.ike else "no IKE_SA"
    child = f"CHILD_SA {report.child.state}" if report.child else "no CHILD_SA"
    return f"{child}; {ike}" + (f"; last: {report.reason}" if report.reason else "")


def _session_lacks(node: NodePlan, seen: NodeReport, down: frozenset[str], expected: Expected) -> Iterator[Lack]:
    reports = {session.name: session for session in (seen.speaker.sessions if seen.speaker else ())}
    installed = {route.destination for route in seen.routes}
    for neighbor in node.speaker.neighbors if node.speaker else ():
        if not neighbor.admin_up or tunnel_label(neighbor.name, node.name) in down:
            continue
        label = f"BGP session {neighbor.name} on {node.name}"
        report = reports.get(neighbor.name)
        if report is None or report.state != "established":
            yield Lack("sessions", label, _describe_session(report), node.name, neighbor.name)
            continue
        for prefix in sorted(expected(neighbor)):
            if prefix not in report.accepted:
                what, why = f"{prefix} from {neighbor.name} on {node.name}", _why_not_accepted(report, prefix)
                yield Lack("routes", what, why, node.name, neighbor.name)
            elif prefix not in installed:
                what, why = f"{prefix} on {node.name}", "accepted, not in the kernel"
                yield Lack("routes", what, why, node.name, neighbor.name)


def _describe_session(report: SessionReport | None) -> str:
    if report is None:
        return "not reported yet"
    return report.state + (f" ({report.reason})" if report.reason else "")


def _why_not_accepted(report: SessionReport, prefix: IPv4Network) -> str:
    for refused in report.refused:
        if refused.prefix == prefix:
            return f"refused: {refused.reason}"
    return f"not received; {len(report.accepted)} accepted"


def expected_prefixes(plan: LabPlan, node: NodePlan, neighbor: NeighborPlan) -> frozenset[IPv4Network]:
    """What the other end of a session announces by plan."""
    return frozenset(
        prefix
        for other in plan.nodes
        if other.name != node.name and other.speaker is not None
        for theirs in other.speaker.neighbors
        if theirs.name == neighbor.name and theirs.peer_address == neighbor.local_address
        for prefix in theirs.announce
    )

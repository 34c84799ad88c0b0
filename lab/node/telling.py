"""What a node that runs alone says of itself: lines for a log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from endpoint.plan import NextHop
from lab.plan.lacks import Lack, node_lacks
from lab.plan.model import NodePlan
from lab.plan.report import InstalledRoute, NodeReport
from lab.wire.messages import Message


@dataclass(frozen=True, slots=True)
class Seen:
    """A report, and what the node lacks by it."""

    report: NodeReport
    lacking: tuple[Lack, ...]


def seen_by(plan: NodePlan, report: NodeReport) -> Seen:
    """What a node lacks by its own report, whatever its neighbors may announce."""
    return Seen(report, tuple(node_lacks(plan, report)))


def event_line(event: Message) -> str:
    """An event of the agent on one line: "tunnel hq-1 up: child SA installed"."""
    subject = f" {event['subject']}" if event["subject"] else ""
    return f"{event['kind']}{subject}: {event['text']}"


def news(before: Seen | None, now: Seen) -> Iterator[str]:
    """What is worth a line since the report before: problems, routes, and whether all is there that is planned."""
    problems = before.report.problems if before else ()
    yield from (f"problem: {text}" for text in now.report.problems if text not in problems)
    yield from (f"mended: {text}" for text in problems if text not in now.report.problems)
    routes = _by_destination(before.report.routes if before else ())
    routes_now = _by_destination(now.report.routes)
    for what, hops in routes_now.items():
        if routes.get(what) != hops:
            yield f"route {what} {_over(hops)}"
    yield from (f"route {what} gone" for what in routes if what not in routes_now)
    was_ready = before is not None and not before.lacking
    if not now.lacking and not was_ready:
        yield "ready" + (f": {_counted(now.report)}" if now.report.endpoint else "")
    if now.lacking and was_ready:
        yield "not ready: " + "; ".join(map(str, now.lacking))


def _by_destination(routes: Iterable[InstalledRoute]) -> dict[str, tuple[NextHop, ...]]:
    return {f"{route.destination} ({route.origin})": route.next_hops for route in routes}


def _over(hops: Iterable[NextHop]) -> str:
    return " and ".join(f"over {hop.interface}" + (f" via {hop.via}" if hop.via else "") for hop in hops)


def _counted(report: NodeReport) -> str:
    up = sum(tunnel.state == "up" for tunnel in (report.endpoint.tunnels if report.endpoint else ()))
    sessions = report.speaker.sessions if report.speaker else ()
    established = sum(session.state == "established" for session in sessions)
    learned = sum(route.origin == "bgp" for route in report.routes)
    return f"{up} tunnels up, {established} BGP sessions established, {learned} routes learned"

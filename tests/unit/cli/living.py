"""A lab without any machine that is at once as it is planned, and says so when it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

from lab.plan.codec import digest, from_json, to_json
from lab.plan.model import LabPlan, NodePlan
from lab.plan.report import LabReport, NodeReport


@dataclass
class LivingLab:
    """The lab process of a test, and its computer: `given` holds the plans that it was given, `executed` the commands
    with their nodes, `broken` the tunnels that never come up."""

    plan: LabPlan
    ready_report: Any
    given: list[LabPlan] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    executed: list[tuple[str | None, list[str]]] = field(default_factory=list)
    gone: Exception | None = None
    broken: frozenset[str] = frozenset()

    def connect(self) -> Self:
        if self.gone is not None:
            raise self.gone
        return self

    def running(self) -> bool:
        return self.gone is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def call(self, call: str, *, deadline_s: float, **args: Any) -> Any:
        del deadline_s
        if call == "apply":
            self.plan, self.keys = from_json(LabPlan, args["plan"]), dict(args["keys"])
            self.given.append(self.plan)
            return None
        if call == "exec":
            self.executed.append((args["node"], args["argv"]))
            return {"exit": 0}
        return to_json(self.report())

    def send(self, message: Any) -> None:
        assert message == {"call": "watch"}

    def receive(self, timeout_s: float) -> Any:
        return {"lab": to_json(self.report())} if timeout_s > 0 else None

    def report(self) -> LabReport:
        found: LabReport = self.ready_report(self.plan)
        nodes = tuple(
            replace(status, report=self._seen(node, status.report))
            for node, status in zip(self.plan.nodes, found.nodes, strict=True)
        )
        return replace(found, plan_digest=digest(self.plan), nodes=nodes)

    def _seen(self, node: NodePlan, report: NodeReport | None) -> NodeReport:
        """Disabled tunnels have neither SAs nor sessions.

        BGP's routes lead where a neighbor has announced something, static ones over tunnels that are up.
        """
        assert report is not None
        if node.endpoint is None or report.endpoint is None:
            return report
        down = {tunnel.name for tunnel in node.endpoint.tunnels if not tunnel.admin_up}
        tunnels = tuple(
            replace(t, state="admin-down", ike=None, child=None) if t.name in down else t
            for t in report.endpoint.tunnels
        )
        tunnels = tuple(
            replace(t, state="down", reason="a test broke it", child=None) if t.name in self.broken else t
            for t in tunnels
        )
        down |= self.broken
        sessions = tuple(
            replace(s, state="admin-down", accepted=()) if s.name in down else s
            for s in (report.speaker.sessions if report.speaker else ())
        )
        over = {t.peer_inner for t in node.endpoint.tunnels for s in sessions if s.name == t.name and s.accepted}
        up = {t.peer_inner for t in node.endpoint.tunnels if t.name not in down and t.interface not in node.draining}
        leads = {"bgp": over, "static": up}
        routes = tuple(
            replace(route, next_hops=tuple(hop for hop in route.next_hops if hop.via in leads[route.origin]))
            for route in report.routes
        )
        return replace(
            report,
            routes=tuple(route for route in routes if route.next_hops),
            endpoint=replace(report.endpoint, tunnels=tunnels),
            speaker=replace(report.speaker, sessions=sessions) if report.speaker else None,
        )

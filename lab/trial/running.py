"""A running lab as a trial sees it: asked, given plans, struck, and waited for."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from lab.control.computers import Computer
from lab.control.fault import daemons_of, send_signal
from lab.control.readiness import lacks, lacks_of_drain
from lab.control.status import REPORT_S
from lab.control.watching import watch_until_nothing_lacks
from lab.errors import NotConverged
from lab.plan.codec import from_json, to_json
from lab.plan.lacks import Lack
from lab.plan.model import LabPlan
from lab.plan.report import LabEvent, LabReport
from lab.substrate import pace
from lab.trial.counting import carried, in_words, is_telling
from lab.trial.faults import Blow, Give
from lab.trial.model import Carried
from lab.trial.route_changes import MONITOR, RouteChange, route_change
from lab.wire.client import Client

STEP_S = 30.0
"""Seconds that a step of a fault is given to show, on the reference host; the timers of its tunnel come on top."""


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A lab by its plan on record: `client` is a session for single calls, `patience_s` is the time to take a plan."""

    plan: LabPlan
    keys: Mapping[str, str]
    computer: Computer
    client: Client
    patience_s: float

    def report(self) -> LabReport:
        """All nodes as they are now."""
        return from_json(LabReport, self.client.call("report", deadline_s=REPORT_S * pace.slowness()))

    def events(self, since: int) -> tuple[LabEvent, ...]:
        """What has happened above event number `since`."""
        said = self.client.stream("events", deadline_s=REPORT_S * pace.slowness(), since=since, follow=False)
        return tuple(from_json(LabEvent, message["event"]) for message in said if "event" in message)

    def give(self, plan: LabPlan) -> None:
        """Have the lab carry out a plan, without remembering it."""
        self.client.call("apply", deadline_s=self.patience_s, plan=to_json(plan), keys=dict(self.keys))

    def take(self, step: Give | Blow, tunnel: str, within_s: float) -> None:
        """Take one step of a fault, and wait for what it waits for. Raises NotConverged."""
        if isinstance(step, Blow):
            self._strike(step)
            return
        self.give(step.plan)
        if step.until == "empty":
            self.wait_until_nothing_lacks(lambda report: lacks_of_drain(self.plan, (tunnel,), report), within_s)
        elif step.until == "ready":
            self.wait_until_nothing_lacks(lambda report: lacks(step.plan, report), within_s)

    def wait_until_nothing_lacks(
        self, lacking: Callable[[LabReport], tuple[Lack, ...]], within_s: float = STEP_S
    ) -> LabReport:
        """The first report in which nothing lacks; `within_s` is for the reference host. Raises NotConverged."""
        timeout_s = within_s * pace.slowness()
        with self.computer.connect() as client:  # a watch uses its session up
            report, missing = watch_until_nothing_lacks(
                client, self.plan.name, lacking, timeout_s, lambda _: None, afresh=True
            )
        if missing:
            listed = "; ".join(map(str, missing))
            raise NotConverged(f"lab {self.plan.name}: awaited in vain for {timeout_s:.0f} s: {listed}")
        return report

    def wait_for_counts(
        self, holds: Callable[[tuple[Carried, ...]], bool], what: str, within_s: float = STEP_S
    ) -> tuple[Carried, ...]:
        """What the sides send into their tunnels between two reports, once it `holds`.

        Counters are no news that would be told, so reports are asked for one after the other. Raises NotConverged.
        """
        deadline = pace.deadline(within_s)
        before = self.report()
        while True:
            after = self.report()
            counted = carried(before, after, self.plan)
            if is_telling(counted):
                if holds(counted):
                    return counted
                before = after
            if time.monotonic() > deadline:
                raise NotConverged(f"lab {self.plan.name}: {what} was awaited in vain; {in_words(counted)}")

    def _strike(self, blow: Blow) -> None:
        seen = self.report().node(blow.node)
        is_agent = blow.daemon == "agent"
        pid = seen.agent_pid if blow.daemon == "agent" else daemons_of(seen)[blow.daemon]
        if not send_signal(self.client, self.plan.name, None if is_agent else blow.node, blow.signal, (pid,)):
            raise NotConverged(f"{blow.node}: there is no {blow.daemon} to strike")


class RouteMonitors:
    """What the kernels of some nodes do to their routes, heard by ip(8) in each of them."""

    def __init__(self, sessions: Mapping[str, Client]) -> None:
        self._sessions = sessions
        self._rest = dict.fromkeys(sessions, b"")

    def changes(self) -> tuple[RouteChange, ...]:
        """The changes since the last call, in order of time."""
        found = []
        for node, client in self._sessions.items():
            while (message := client.receive(0)) is not None:
                *lines, self._rest[node] = (self._rest[node] + base64.b64decode(message.get("out", ""))).split(b"\n")
                read = (route_change(node, line.decode(errors="replace")) for line in lines)
                found += [change for change in read if change is not None]
        return tuple(sorted(found, key=lambda change: change.at))


@contextmanager
def monitored_routes(lab: RunningLab, nodes: tuple[str, ...]) -> Iterator[RouteMonitors]:
    """Hear what the kernels of these nodes do to their routes, while the block runs."""
    with ExitStack() as stack:
        sessions = {node: stack.enter_context(lab.computer.connect()) for node in nodes}
        for node, client in sessions.items():
            asked = {"lab": lab.plan.name, "node": node, "argv": list(MONITOR)}
            client.start("exec", deadline_s=REPORT_S * pace.slowness(), **asked)
        yield RouteMonitors(sessions)

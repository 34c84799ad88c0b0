"""One trial: a fault on one tunnel under load, and back; what happened, what was lost and where the traffic went."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from lab.control.fault import FaultNote
from lab.control.progress import Progress
from lab.control.readiness import lacks
from lab.errors import NotConverged
from lab.plan.model import TunnelPair
from lab.plan.probes import ProbePlan
from lab.trial import verdicts
from lab.trial.edits import gateway_of, pair_called
from lab.trial.faults import Course, Fault
from lab.trial.in_force import BACK_S, in_force
from lab.trial.model import SIDES, Budgets, Carried, Phase, PhaseName, ProbeLoad, Side, Trial, Verdict
from lab.trial.paths import FlowKey, source_port_into, tunnels_of, udp_keys
from lab.trial.patience import notice_s
from lab.trial.phases import Mark, Noted, phase
from lab.trial.probing import Probes, probe_plan, probing
from lab.trial.running import RouteMonitors, RunningLab, monitored_routes

LOSSLESS_S = 1.0
"""Seconds without loss after which traffic counts as going on (chosen: sixty packets of each flow)."""
BASELINE_S = 20.0
"""Seconds that the traffic is given to go on before the fault, on the reference host."""
TCP_SOURCE_PORTS = range(40000, 40064)


@dataclass(frozen=True, slots=True)
class Choice:
    """How trials are played: the probes' load, and what is allowed."""

    load: ProbeLoad
    budgets: Budgets


def play(lab: RunningLab, fault: Fault, tunnel: str, run: int, choice: Choice, progress: Progress) -> Trial:
    """Play one fault on one tunnel, and undo it whatever happens. The lab is ready, and is left so.

    Raises UsageError for a tunnel that cannot have the fault, LabGone, and LabSaysNo where nothing can be sent.
    """
    course, pair = fault.course(lab.plan, tunnel), pair_called(lab.plan, tunnel)
    failure = None
    with ExitStack() as stack:
        monitors = stack.enter_context(monitored_routes(lab, (pair.cloud_node, pair.idc_node)))
        probed = probe_plan(lab.plan, tunnel, choice.load, _tcp_source_port(lab, tunnel, choice.load))
        session = stack.enter_context(lab.computer.connect())
        probes = stack.enter_context(probing(session, lab.plan.name, probed))
        stage = _Stage(lab, pair, probes, udp_keys(probed), _tcp_key(probed), last_event=_last_event(lab))
        try:
            _play(stage, fault, course, progress)
        except NotConverged as error:
            failure = error.what
        phases = stage.phases(monitors, fault.summary)
        probes.finish()
    return Trial(
        fault.name, fault.summary, tunnel, run, phases,
        (*stage.verdicts, *verdicts.of_budgets(choice.budgets, phases), *verdicts.of_measurement(phases)), failure,
    )  # fmt: skip


def _play(stage: _Stage, fault: Fault, course: Course, progress: Progress) -> None:
    lab, tunnel, within_s = stage.lab, stage.pair.name, notice_s(stage.lab.plan, stage.pair)
    progress.doing(f"{fault.name} on {tunnel}: baseline")
    stage.mark("baseline")
    stage.probes.wait_lossless(LOSSLESS_S, BASELINE_S)
    before = stage.counted = lab.wait_for_counts(
        lambda counted: verdicts.is_used(counted, tunnel), f"traffic on {tunnel}", BASELINE_S
    )
    with in_force(lab, FaultNote(fault.name, tunnel, time.time()), progress) as undo:
        stage.mark("fault")
        progress.doing(f"{fault.name} on {tunnel}: in force")
        for step in course.steps:
            lab.take(step, tunnel, within_s + BACK_S)
        if course.effect != "outage":
            stage.verdicts.append(_while_it_lasts(stage, course, within_s))
        stage.mark("restore")
        progress.doing(f"{fault.name} on {tunnel}: restoring")
        undo()
    lab.wait_until_nothing_lacks(lambda report: lacks(lab.plan, report), BACK_S)
    stage.ready_at = stage.probes.now()
    counted, why_not = stage.settle(
        lambda counted: verdicts.is_back(counted, before, tunnel), f"traffic that comes back to {tunnel}", BACK_S
    )
    stage.verdicts.append(verdicts.back(counted, tunnel, why_not))
    stage.mark("end")


def _while_it_lasts(stage: _Stage, course: Course, within_s: float) -> Verdict:
    tunnel = stage.pair.name
    if course.leaving:
        counted, why_not = stage.settle(
            lambda counted: verdicts.has_left(counted, course.leaving, tunnel),
            f"traffic that leaves {tunnel}",
            within_s,
        )
        return verdicts.moved(counted, course.leaving, tunnel, why_not)
    if course.effect == "loss":
        return verdicts.flows(stage.carried_by(lambda _: True, "traffic", within_s))
    return verdicts.flows(stage.lossless(within_s))


@dataclass
class _Stage:
    """What is seen while a trial is played."""

    lab: RunningLab
    pair: TunnelPair
    probes: Probes
    flows: Mapping[Side, tuple[FlowKey, ...]]
    tcp: FlowKey | None
    last_event: int
    marks: list[Mark] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    flowing_since: dict[str, Mapping[Side, float]] = field(default_factory=dict)
    ready_at: float | None = None
    counted: tuple[Carried, ...] = ()

    def mark(self, begins: PhaseName | Literal["end"]) -> None:
        """A phase begins here, or the last one ends: note the time, the counters and every flow's tunnel."""
        report = self.lab.report()
        taken = {
            side: tunnels_of(self.lab.client, self.lab.plan, gateway_of(self.pair, side), self.flows[side])
            for side in SIDES
        }
        tcp = None
        if self.tcp is not None:
            (tcp,) = tunnels_of(self.lab.client, self.lab.plan, self.pair.cloud_node, (self.tcp,))
        self.marks.append(Mark(begins, self.probes.now(), report, taken, tcp))

    def settle(
        self, holds: Callable[[tuple[Carried, ...]], bool], what: str, within_s: float
    ) -> tuple[tuple[Carried, ...], str | None]:
        """Wait until nothing is lost any more and the counters show what is awaited; what they show, or why not."""
        why_not = self.lossless(within_s) or self.carried_by(holds, what, within_s)
        return self.counted, why_not

    def lossless(self, within_s: float) -> str | None:
        """Wait until nothing is lost any more; why not, if so."""
        last = self.marks[-1]
        try:
            self.flowing_since[last.begins] = self.probes.wait_lossless(LOSSLESS_S, within_s, since=last.at)
        except NotConverged as error:
            return error.what
        return None

    def carried_by(self, holds: Callable[[tuple[Carried, ...]], bool], what: str, within_s: float) -> str | None:
        """Wait until the counters show what is awaited; why not, if so."""
        try:
            self.counted = self.lab.wait_for_counts(holds, what, within_s)
        except NotConverged as error:
            return error.what
        return None

    def phases(self, monitors: RouteMonitors, summary: str) -> tuple[Phase, ...]:
        """The phases that the trial came to, once it is known what became of their packets."""
        if not self.marks:
            return ()
        self.probes.wait_settled(self.marks[-1].at)
        noted = Noted(summary, self.lab.events(self.last_event), monitors.changes(), self.flowing_since, self.ready_at)
        return tuple(self._phase(begin, end, noted) for begin, end in pairwise(self.marks))

    def _phase(self, begin: Mark, end: Mark, noted: Noted) -> Phase:
        used = {side: tuple(zip(begin.tunnels[side], end.tunnels[side], strict=True)) for side in SIDES}
        return phase(
            self.lab.plan, self.pair, begin, end, noted,
            self.probes.directions(begin.at, end.at, used), self.probes.tcp(begin.at, end.at, begin.tcp_tunnel),
        )  # fmt: skip


def _last_event(lab: RunningLab) -> int:
    return max((event.number for event in lab.events(0)), default=0)


def _tcp_source_port(lab: RunningLab, tunnel: str, load: ProbeLoad) -> int | None:
    """A port with which the TCP flow begins in the tunnel; None where ECMP leads none of some there."""
    key = _tcp_key(probe_plan(lab.plan, tunnel, load, TCP_SOURCE_PORTS[0]))
    return source_port_into(lab.client, lab.plan, tunnel, key, TCP_SOURCE_PORTS) if key else None


def _tcp_key(probed: ProbePlan) -> FlowKey | None:
    """What ECMP hashes the TCP flow by, which the cloud's side sends."""
    if probed.tcp is None:
        return None
    here, there = probed.ends
    return FlowKey("tcp", here.address, probed.tcp.source_port, there.address, probed.tcp.port)

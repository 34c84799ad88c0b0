"""The reference procedure on a running lab: each fault on each tunnel, as often as wanted, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from lab.control import record
from lab.control.computers import computer_of
from lab.control.fault import noted_fault
from lab.control.patience import ready_s
from lab.control.progress import Progress, Stopwatch
from lab.control.readiness import lacks
from lab.control.status import known
from lab.control.up import give
from lab.control.wanted import recalled
from lab.plan.difference import enabled_tunnels
from lab.plan.model import LabPlan
from lab.trial.edits import pair_called
from lab.trial.faults import Fault, procedure_for
from lab.trial.in_force import BACK_S
from lab.trial.model import REPORT_VERSION, FailoverReport, Trial
from lab.trial.play import Choice, play
from lab.trial.running import RunningLab

Part = tuple[Fault, str, int]
"""A fault, the tunnel that it is played on, and which time."""


def failover(
    name: str, faults: Sequence[Fault], tunnels: Sequence[str], runs: int, choice: Choice, command: str,
    progress: Progress,
) -> FailoverReport:  # fmt: skip
    """Play the faults on the tunnels of a running lab; without faults those of the reference procedure that the tunnels
    can have, without tunnels all that are enabled.

    Nobody else changes the lab meanwhile. Raises UsageError before anything is done, LabGone, LabSaysNo, and
    NotConverged for a lab that is not ready to begin with.
    """
    place, _ = known(name)
    began = time.time()
    waiting = f"waiting: another command is changing lab {name}"
    with record.locked(name, lambda: progress.doing(waiting)), _running(name) as lab:
        parts = tuple(_parts(lab.plan, faults, tunnels, runs))
        _make_ready(lab, progress)
        trials = tuple(_trials(lab, parts, choice, progress))
    return FailoverReport(
        version=REPORT_VERSION, lab=name, substrate=place.substrate, timers=recalled(name).spec.timers,
        started_at=began, ended_at=time.time(), command=command, load=choice.load, budgets=choice.budgets,
        trials=trials,
    )  # fmt: skip


@contextmanager
def _running(name: str) -> Iterator[RunningLab]:
    place, plan = known(name)
    computer = computer_of(name, place)
    with computer.connect() as client:
        yield RunningLab(plan, record.read_keys(name), computer, client, ready_s(plan, place.substrate))


def _make_ready(lab: RunningLab, progress: Progress) -> None:
    """Undo what a killed trial has left, and wait until the lab is as planned."""
    if noted_fault(lab.plan.name) is not None:
        progress.doing("undoing what an earlier trial has left")
        give(lab.client, lab.plan, lab.keys, lab.patience_s)
    lab.wait_until_nothing_lacks(lambda report: lacks(lab.plan, report), BACK_S)


def _parts(plan: LabPlan, faults: Sequence[Fault], tunnels: Sequence[str], runs: int) -> Iterator[Part]:
    """All faults on the first tunnel, then on the next. One that hits a whole gateway is played on the first alone."""
    chosen = tuple(pair_called(plan, tunnel).name for tunnel in tunnels) or enabled_tunnels(plan)
    for tunnel in chosen:
        for fault in faults or procedure_for(plan, tunnel):
            fault.course(plan, tunnel)  # raises what is to be said before anything is done
            if not fault.of_gateway or tunnel == chosen[0]:
                yield from ((fault, tunnel, run) for run in range(1, runs + 1))


def _trials(lab: RunningLab, parts: Iterable[Part], choice: Choice, progress: Progress) -> Iterator[Trial]:
    watch = Stopwatch(time.monotonic, progress)
    for fault, tunnel, run in parts:
        trial = play(lab, fault, tunnel, run, choice, progress)
        lost = sum(direction.lost for phase in trial.phases for direction in phase.directions)
        because = f": {trial.why_not}" if trial.why_not else ""
        watch.reached(f"{fault.name} on {tunnel}, run {run}: {trial.outcome}, {lost} packets lost{because}")
        yield trial

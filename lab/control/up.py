"""Bring a lab up, and wait until it is ready."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from lab.control import record
from lab.control.computers import any_computer_of, choose_place, computer_of, place_of
from lab.control.fault import forget_fault, noted_fault
from lab.control.keys import keys_of
from lab.control.patience import ready_s
from lab.control.pings import PingAnswer, ping_tunnels
from lab.control.progress import PhaseTime, Progress, Stopwatch
from lab.control.readiness import lacks, reached_phases
from lab.control.wanted import Wanted, recalled_allocations, remember
from lab.control.watching import watch_until_nothing_lacks
from lab.errors import NotConverged, UsageError
from lab.plan.codec import digest, from_json, to_json
from lab.plan.compile import compile_again
from lab.plan.lacks import Lack
from lab.plan.model import LabPlan
from lab.plan.report import LabReport
from lab.spec.model import LabSpec
from lab.wire.client import Client, LabGone


@dataclass(frozen=True, slots=True)
class Up:
    """A lab that is ready: its plan, the report that shows it, the pings that prove it, the times it took."""

    plan: LabPlan
    place: record.Place
    report: LabReport
    pings: tuple[PingAnswer, ...]
    phases: tuple[PhaseTime, ...]
    started: bool


def bring_up(spec: LabSpec, *, substrate: str, use_snapshot: bool, timeout_s: float | None, progress: Progress) -> Up:
    """Bring the lab up as `spec` says, or find it up already; return when it is ready.

    Raises NotConverged, naming what was awaited and seen last, when it is not ready in time: the lab is left as it
    is, to be looked at. Raises UsageError when the lab runs with another plan.
    """
    watch = Stopwatch(time.monotonic, progress)
    with record.locked(spec.name, lambda: progress.doing(f"waiting: another command is changing lab {spec.name}")):
        compiled = compile_again(spec, recalled_allocations(spec.name))
        plan = compiled.plan
        place = place_of(plan.name)
        started = place is None or not _runs(plan, place, timeout_s, watch)
        if place is None or started:
            _clear(plan.name, place)
            place = choose_place(substrate)
            watch.doing(f"substrate {place.substrate}: {place.why}")
        computer = computer_of(plan.name, place, use_snapshot=use_snapshot)
        with ExitStack() as sessions:
            try:
                record.write_place(plan.name, place)
                if started:
                    computer.start(watch.reached, watch.doing)
                client = sessions.enter_context(computer.connect())
                watch.doing("making nodes and links")
                keys = keys_of(spec, compiled)
                remember(Wanted(spec, compiled.allocations), keys)
                patience_s = ready_s(plan, place.substrate)
                give(client, plan, keys, patience_s)
            except BaseException:
                if started:  # without its plan a lab is nothing that one could look at
                    _clear(plan.name, place)
                    record.forget(plan.name)
                raise
            report = _await_ready(client, plan, timeout_s or patience_s, watch, started=started)
        with computer.connect() as client:  # the other session goes on watching
            pings = _ping(client, plan, watch)
        watch.reached("ping")
    return Up(plan, place, report, pings, watch.phases, started)


def _clear(name: str, place: record.Place | None) -> None:
    """End what may be left of a lab, wherever it was; the next one may be another kind of computer."""
    if name in record.names():
        for left in (computer_of(name, place),) if place else any_computer_of(name):
            left.stop()


def _runs(plan: LabPlan, place: record.Place, timeout_s: float | None, watch: Stopwatch) -> bool:
    """Whether the lab runs and has taken this plan. Raises UsageError when it has another one, or no free port.

    A lab that is there is started afresh only when it has not answered for as long as it would be given to come up: a
    busy host, or a command that was interrupted in the middle of a change, may keep it from answering for a while.
    A guest without a plan may not have been woken: its clock stands and its random numbers repeat. It is not used.
    """
    computer = computer_of(plan.name, place)
    if not computer.running():
        return False
    patience_s = timeout_s or ready_s(plan, place.substrate)
    deadline = time.monotonic() + patience_s
    try:
        watch.doing("the lab runs already: asking it")
        with computer.connect(patience_s) as client:
            running = client.call("report", deadline_s=max(0.0, deadline - time.monotonic()))["plan_digest"]
    except (LabGone, NotConverged) as error:
        watch.doing(f"the lab runs but does not answer as it should, and is started afresh: {error.what}")
        return False
    if running not in ("", digest(plan)) and record.read_plan(plan.name) != plan:  # else it was given half of it
        raise UsageError(
            f"lab {plan.name} runs already, with another plan",
            mend=f"`vpnlab apply --name {plan.name}` changes it, `vpnlab down --name {plan.name}` ends it; "
            "or choose another --name",
        )
    return bool(running)


def give(client: Client, plan: LabPlan, keys: Mapping[str, str], within_s: float) -> None:
    """Remember a plan, and have the lab carry it out. That undoes a fault that a trial has left."""
    record.write_plan(plan)
    client.call("apply", deadline_s=within_s, plan=to_json(plan), keys=dict(keys))
    if noted_fault(plan.name) is not None:
        report = from_json(LabReport, client.call("report", deadline_s=within_s))
        forget_fault(client, plan.name, report)


def _await_ready(client: Client, plan: LabPlan, timeout_s: float, watch: Stopwatch, *, started: bool) -> LabReport:
    def seen(missing: tuple[Lack, ...]) -> None:
        for phase in reached_phases(missing):
            watch.reached(phase)
        if missing:
            watch.doing(f"waiting for {missing[0]}")

    report, missing = watch_until_nothing_lacks(
        client, plan.name, lambda report: lacks(plan, report), timeout_s, seen, afresh=not started
    )
    if missing:
        raise not_ready(plan.name, timeout_s, missing)
    return report


def not_ready(lab: str, timeout_s: float, missing: tuple[Lack, ...]) -> NotConverged:
    """The error that names everything that was awaited in vain."""
    return NotConverged(
        f"lab {lab} is not ready after {timeout_s:.0f} s; awaited, with what was seen last:\n"
        + "\n".join(f"  {lack}" for lack in missing),
        mend="`vpnlab events` and `vpnlab logs NODE` say more; `vpnlab up` goes on, `vpnlab down` ends the lab",
    )


def _ping(client: Client, plan: LabPlan, watch: Stopwatch) -> tuple[PingAnswer, ...]:
    answers = ping_tunnels(client, plan, watch.doing)
    silent = [answer for answer in answers if answer.error is not None]
    if silent:
        raise NotConverged(
            "no ping through " + "; ".join(f"tunnel {answer.plan.tunnel}: {answer.error}" for answer in silent),
            mend="`vpnlab status` shows routes and counters; the lab is left as it is",
        )
    return answers

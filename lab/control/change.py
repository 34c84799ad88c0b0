"""Change a running lab: compare what it was asked to be with what it is to be, and carry the difference out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.control import record
from lab.control.computers import Computer, computer_of
from lab.control.concern import amiss_as_before
from lab.control.fault import noted_fault
from lab.control.keys import keys_of
from lab.control.patience import ready_s
from lab.control.progress import Progress, Stopwatch
from lab.control.readiness import lacks, lacks_of_drain, lacks_of_stand_in
from lab.control.status import REPORT_S, known
from lab.control.up import give, not_ready
from lab.control.wanted import Wanted, recalled, remember
from lab.control.watching import watch_until_nothing_lacks
from lab.plan.codec import digest, from_json, to_json
from lab.plan.compile import compile_again
from lab.plan.difference import Asked, Difference, difference, going_down
from lab.plan.draining import drained, standing_in
from lab.plan.lacks import Lack
from lab.plan.model import LabPlan
from lab.plan.report import LabReport
from lab.spec.model import LabSpec
from lab.substrate import pace

DRAIN_S = 10.0
"""Seconds that traffic is given to leave the tunnels that are disabled, on the reference host (chosen: many times what
BGP takes to withdraw a full table). After that they are disabled all the same, as the cloud's user wants."""

Edit = Callable[[Wanted], LabSpec]
"""What a lab is to be, made from what it is asked to be now. Raises UsageError where that makes no sense."""


@dataclass(frozen=True, slots=True)
class Change:
    """What lies between a lab and what it is to be, and whether it was carried out.

    `undrained` says over which tunnels traffic still went when their time to drain was over, `amiss` what was not ready
    before, is not now, and is nothing that the change concerns.
    """

    lab: str
    difference: Difference
    done: bool
    undrained: tuple[Lack, ...] = ()
    amiss: tuple[Lack, ...] = ()


def change_lab(name: str, edit: Edit, *, dry_run: bool, timeout_s: float | None, progress: Progress) -> Change:
    """Make a running lab be what `edit` makes of it, and return when what that concerns is ready; all, or nothing.

    With `dry_run` nothing is done. Raises UsageError for a lab that nobody knows, LabGone for one that does not run,
    NotConverged when it is not ready in time.
    """
    with record.locked(name, lambda: progress.doing(f"waiting: another command is changing lab {name}")):
        place, running = known(name)
        now = recalled(name)
        spec = edit(now)
        compiled = compile_again(spec, now.allocations)
        then = Asked(spec, compiled.allocations, keys_of(spec, compiled))
        found = difference(Asked(now.spec, now.allocations, record.read_keys(name)), then)
        if found.refused or dry_run:
            return Change(name, found, done=False)
        computer = computer_of(name, place)
        seen = _look(computer)
        if not found and seen.plan_digest == digest(compiled.plan) and noted_fault(name) is None:
            return Change(name, found, done=True)
        # What an interrupted change or a fault has left is undone by this one, so then all is awaited.
        is_undisturbed = seen.plan_digest == digest(running) and noted_fault(name) is None
        lacking_before = lacks(running, seen) if is_undisturbed else ()
        patience_s = ready_s(compiled.plan, place.substrate)
        undrained = _drain(computer, running, compiled.plan, patience_s, progress)
        remember(Wanted(spec, compiled.allocations), then.keys)
        amiss = _carry_out(
            computer, compiled.plan, then.keys, patience_s, timeout_s or patience_s, progress,
            lambda missing: amiss_as_before(running, compiled.plan, lacking_before, missing),
        )  # fmt: skip
        return Change(name, found, done=True, undrained=undrained, amiss=amiss)


def _look(computer: Computer) -> LabReport:
    with computer.connect() as client:
        return from_json(LabReport, client.call("report", deadline_s=REPORT_S * pace.slowness()))


def _drain(
    computer: Computer, running: LabPlan, then: LabPlan, patience_s: float, progress: Progress
) -> tuple[Lack, ...]:
    """Take the traffic off what goes, and wait until it is off; what still carried some when the time was over.

    Both ends of tunnels that go withdraw what they announce. Static routes that are there once BGP is switched off are
    there before.
    """
    tunnels, plan = going_down(running, then), standing_in(running, then)
    if not tunnels and plan == running:
        return ()
    watch = Stopwatch(time.monotonic, progress)
    timeout_s = DRAIN_S * pace.slowness()
    with computer.connect() as client:
        empty = to_json(drained(plan, tunnels))
        client.call("apply", deadline_s=patience_s, plan=empty, keys=record.read_keys(plan.name))
        _, missing = watch_until_nothing_lacks(
            client, plan.name,
            lambda report: (*lacks_of_stand_in(running, plan, report), *lacks_of_drain(plan, tunnels, report)),
            timeout_s, _saying(watch), afresh=True,
        )  # fmt: skip
    watch.reached("drained")
    return missing


def _carry_out(
    computer: Computer, plan: LabPlan, keys: Mapping[str, str], patience_s: float, timeout_s: float, progress: Progress,
    not_awaited: Callable[[tuple[Lack, ...]], tuple[Lack, ...]],
) -> tuple[Lack, ...]:  # fmt: skip
    """Give a plan and wait until it is so, but for what is not awaited; returns what of that lacks."""

    def awaited(report: LabReport) -> tuple[Lack, ...]:
        missing = lacks(plan, report)
        excused = not_awaited(missing)
        return tuple(lack for lack in missing if lack not in excused)

    watch = Stopwatch(time.monotonic, progress)
    with computer.connect() as client:
        give(client, plan, keys, patience_s)
        report, missing = watch_until_nothing_lacks(client, plan.name, awaited, timeout_s, _saying(watch), afresh=True)
    if missing:
        raise not_ready(plan.name, timeout_s, missing)
    watch.reached("ready")
    return lacks(plan, report)


def _saying(watch: Stopwatch) -> Callable[[tuple[Lack, ...]], None]:
    def seen(missing: tuple[Lack, ...]) -> None:
        if missing:
            watch.doing(f"waiting for {missing[0]}")

    return seen

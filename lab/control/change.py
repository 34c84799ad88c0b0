"""Change a running lab: compare what it was asked to be with what it is to be, and carry the difference out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from lab.control import record
from lab.control.computers import Computer, computer_of
from lab.control.fault import noted_fault
from lab.control.keys import keys_of
from lab.control.progress import Progress, Stopwatch
from lab.control.readiness import lacks, lacks_of_drain
from lab.control.status import REPORT_S, known
from lab.control.up import READY_S, give, not_ready
from lab.control.wanted import Wanted, recalled, remember
from lab.control.watching import watch_until_nothing_lacks
from lab.plan.codec import digest, to_json
from lab.plan.compile import compile_again
from lab.plan.difference import Asked, Difference, difference, going_down
from lab.plan.draining import drained
from lab.plan.lacks import Lack
from lab.plan.model import LabPlan
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

    `undrained` says over which tunnels traffic still went when their time to drain was over.
    """

    lab: str
    difference: Difference
    done: bool
    undrained: tuple[Lack, ...] = ()


def change_lab(name: str, edit: Edit, *, dry_run: bool, timeout_s: float | None, progress: Progress) -> Change:
    """Make a running lab be what `edit` makes of it, and return when it is ready; all of it, or with a refusal nothing.

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
        if not found and _has(computer, compiled.plan) and noted_fault(name) is None:
            return Change(name, found, done=True)
        undrained = _drain(computer, running, going_down(running, compiled.plan), progress)
        remember(Wanted(spec, compiled.allocations), then.keys)
        _carry_out(computer, compiled.plan, then.keys, timeout_s or READY_S * pace.slowness(), progress)
        return Change(name, found, done=True, undrained=undrained)


def _has(computer: Computer, plan: LabPlan) -> bool:
    """Whether the lab was given this plan last; another one is what an interrupted change or a fault has left."""
    with computer.connect() as client:
        given = client.call("report", deadline_s=REPORT_S * pace.slowness())["plan_digest"]
    return bool(given == digest(plan))


def _drain(computer: Computer, plan: LabPlan, tunnels: Collection[str], progress: Progress) -> tuple[Lack, ...]:
    """Have both ends of these tunnels withdraw what they announce, and wait until nothing is routed over them."""
    if not tunnels:
        return ()
    watch = Stopwatch(time.monotonic, progress)
    timeout_s = DRAIN_S * pace.slowness()
    with computer.connect() as client:
        empty = to_json(drained(plan, tunnels))
        client.call("apply", deadline_s=READY_S * pace.slowness(), plan=empty, keys=record.read_keys(plan.name))
        _, missing = watch_until_nothing_lacks(
            client, plan.name, lambda report: lacks_of_drain(plan, tunnels, report), timeout_s, _saying(watch),
            afresh=True,
        )  # fmt: skip
    watch.reached("drained")
    return missing


def _carry_out(
    computer: Computer, plan: LabPlan, keys: Mapping[str, str], timeout_s: float, progress: Progress
) -> None:
    watch = Stopwatch(time.monotonic, progress)
    with computer.connect() as client:
        give(client, plan, keys)
        _, missing = watch_until_nothing_lacks(
            client, plan.name, lambda report: lacks(plan, report), timeout_s, _saying(watch), afresh=True
        )
    if missing:
        raise not_ready(plan.name, timeout_s, missing)
    watch.reached("ready")


def _saying(watch: Stopwatch) -> Callable[[tuple[Lack, ...]], None]:
    def seen(missing: tuple[Lack, ...]) -> None:
        if missing:
            watch.doing(f"waiting for {missing[0]}")

    return seen

"""What a lab is like now, asked of the lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.control import record
from lab.control.computers import computer_of, place_of
from lab.control.fault import lacks_by_fault
from lab.control.readiness import lacks
from lab.errors import LabSaysNo, UsageError
from lab.plan.codec import from_json
from lab.plan.lacks import Lack
from lab.plan.model import LabPlan
from lab.plan.report import LabReport
from lab.substrate import pace
from lab.wire.client import Client

REPORT_S = 10.0
"""Seconds for a report on the reference host; agents that are slower than 3 s are shown as stale in it."""


@dataclass(frozen=True, slots=True)
class Status:
    """A lab's plan, where it runs, its fresh report and what is lacking of readiness."""

    plan: LabPlan
    place: record.Place
    report: LabReport
    lacking: tuple[Lack, ...]


def status_of(name: str) -> Status:
    """The status of a lab. Raises LabSaysNo when it does not run, UsageError when nobody knows it."""
    place, plan = known(name)
    with session_with(name) as client:
        report = from_json(LabReport, client.call("report", deadline_s=REPORT_S * pace.slowness()))
    return Status(plan, place, report, (*lacks_by_fault(plan, report), *lacks(plan, report)))


def known(name: str) -> tuple[record.Place, LabPlan]:
    """Where a lab runs, and its plan. Raises UsageError for a lab that was never started here."""
    place, plan = place_of(name), record.read_plan(name)
    if place is None:
        others = ", ".join(record.names())
        raise UsageError(
            f"there is no lab {name} on this host", mend=f"labs: {others}" if others else "start one with `vpnlab up`"
        )
    if plan is None:
        raise LabSaysNo(
            f"lab {name} was not brought up to its end", mend="`vpnlab up` mends it, `vpnlab down` clears it away"
        )
    return place, plan


@contextmanager
def session_with(name: str) -> Iterator[Client]:
    """A session with the lab process of a lab."""
    place, _ = known(name)
    with computer_of(name, place).connect() as client:
        yield client

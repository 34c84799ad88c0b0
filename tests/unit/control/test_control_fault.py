"""A fault in force is known until it is undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.control.fault import FaultNote, lacks_by_fault, note_fault, noted_fault
from lab.control.paths import lab_directory
from lab.control.record import FAULT_FILE, forget_fault
from lab.plan.codec import digest
from lab.plan.compile import compile_plan
from lab.plan.report import LabReport
from lab.spec.load import reference

PLAN = compile_plan(reference())
AS_ASKED = LabReport(PLAN.name, digest(PLAN), ())


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_a_fault_is_named_from_its_note_until_it_is_forgotten() -> None:
    assert lacks_by_fault(PLAN, AS_ASKED) == ()
    note_fault(PLAN.name, FaultNote("blackhole", "hq-1", 0.0))
    (lack,) = lacks_by_fault(PLAN, AS_ASKED)
    assert (
        str(lack) == f"fault blackhole on hq-1: in force since 00:00:00 UTC; `vpnlab up --name {PLAN.name}` undoes it"
    )
    forget_fault(PLAN.name)
    assert noted_fault(PLAN.name) is None
    assert lacks_by_fault(PLAN, AS_ASKED) == ()


def test_another_plan_than_the_one_on_record_is_named_too() -> None:
    (lack,) = lacks_by_fault(PLAN, LabReport(PLAN.name, "another", ()))
    assert lack.what == "plan"


def test_a_note_that_cannot_be_read_is_none() -> None:
    note_fault(PLAN.name, FaultNote("port", "hq-1", 0.0))
    (lab_directory(PLAN.name) / FAULT_FILE).write_text("{")
    assert noted_fault(PLAN.name) is None

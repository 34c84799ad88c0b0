"""A phase is put together from what was noted: by the times at which things happened."""

from __future__ import annotations

from dataclasses import replace

from trial_examples import clean, cut

from lab.plan.compile import compile_plan
from lab.plan.report import LabEvent, LabReport
from lab.spec.load import reference
from lab.trial.edits import pair_called
from lab.trial.phases import Mark, Noted, phase

PLAN = compile_plan(reference())
PAIR = pair_called(PLAN, "hq-1")
NOTHING = LabReport(PLAN.name, "", ())
DETECTED = LabEvent(1, 12.5, "bgw1", "bgp-lost", "hq-1", "NOTIFICATION sent: hold timer expired (4/0)")
LATE = LabEvent(2, 21.0, "hq-gw", "bgp-lost", "hq-1", "NOTIFICATION sent: hold timer expired (4/0)")
NOTED = Noted("drops", (DETECTED, LATE), (), {"fault": {"cloud": 12.6, "idc": 10.0}}, ready_at=22.0)


def mark(begins, at):
    return Mark(begins, at, NOTHING, {"cloud": (), "idc": ()})


def fault_phase():
    directions = (cut("cloud", 312, 10.0, 12.6), clean("idc", 312))
    return phase(PLAN, PAIR, mark("fault", 10.0), mark("restore", 20.0), NOTED, directions, None)


def test_detection_and_convergence_are_told_apart_for_the_side_that_sends() -> None:
    cloud, idc = fault_phase().directions
    assert (cloud.detection_s, cloud.detected_by) == (2.5, "hold timer")
    assert cloud.convergence_s == cloud.last_lost_at - 12.5
    assert (idc.detection_s, idc.detected_by, idc.convergence_s) == (None, None, None)


def test_a_fault_s_moments_are_in_order_and_what_happened_after_it_is_the_restoring_s() -> None:
    found = fault_phase()
    assert [moment.kind for moment in found.moments] == ["applied", "detected", "last-lost", "moved"]
    assert [moment.at for moment in found.moments] == sorted(moment.at for moment in found.moments)
    restore = phase(PLAN, PAIR, mark("restore", 20.0), mark("end", 25.0), NOTED, (), None)
    assert [(moment.kind, moment.at) for moment in restore.moments] == [("undone", 20.0), ("ready", 22.0)]


def test_without_loss_nothing_is_said_of_a_last_packet() -> None:
    directions = (clean("cloud", 312), clean("idc", 312))
    found = phase(PLAN, PAIR, mark("fault", 10.0), mark("restore", 20.0), NOTED, directions, None)
    assert [moment.kind for moment in found.moments] == ["applied", "detected"]
    assert found.directions[0].convergence_s == 0.0


def test_a_baseline_has_no_moments() -> None:
    found = phase(PLAN, PAIR, mark("baseline", 0.0), mark("fault", 30.0), replace(NOTED), (), None)
    assert found.moments == ()

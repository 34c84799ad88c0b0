"""A fault in force is said by `status`, and undone by whoever gives the lab its plan again."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from lab.control import record
from lab.control.fault import FaultNote, note_fault, noted_fault
from lab.control.wanted import recalled, tree_of
from lab.plan.codec import to_json
from lab.trial.edits import port_shut
from lab.trial.in_force import in_force
from lab.trial.running import RunningLab

NOTE = FaultNote("port", "hq-1", 0.0)


class Silent:
    def reached(self, phase: Any) -> None:
        """Nobody is told."""

    def doing(self, text: str) -> None:
        """Nobody is told."""


def running(lab) -> RunningLab:
    return RunningLab(lab.plan, {"hq-1": "first-key"}, lab, lab, patience_s=60.0)


def test_an_undone_fault_leaves_the_plan_on_record_no_note_and_nothing_stopped(living_lab):
    lab = running(living_lab)
    with in_force(lab, NOTE, Silent()) as undo:
        assert noted_fault(lab.plan.name) == NOTE
        lab.give(port_shut(lab.plan, "hq-1"))
        undo()
        assert noted_fault(lab.plan.name) is None
    assert living_lab.given[1:] == [lab.plan]
    assert (None, ["kill", "-CONT", *["7"] * len(lab.plan.nodes)]) in living_lab.executed
    assert ("hq-gw", ["kill", "-CONT", "100", "101"]) in living_lab.executed


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_a_fault_is_undone_when_its_trial_is_interrupted_or_fails(living_lab, end):
    lab = running(living_lab)

    def trial() -> None:
        with in_force(lab, NOTE, Silent()):
            lab.give(port_shut(lab.plan, "hq-1"))
            raise end

    with pytest.raises(end):
        trial()
    assert living_lab.given[-1] == lab.plan
    assert noted_fault(lab.plan.name) is None


def test_a_fault_that_a_killed_trial_has_left_is_said_and_undone_by_apply(living_lab, vpnlab, tmp_path):
    plan = living_lab.plan
    note_fault(plan.name, NOTE)
    living_lab.call("apply", deadline_s=1, plan=to_json(port_shut(plan, "hq-1")), keys={})
    status = vpnlab("status")
    assert status.exit_code == 1
    assert "fault port on hq-1: in force since" in status.stdout
    same = tmp_path / "same.vpnlab.yaml"
    same.write_text(yaml.safe_dump(tree_of(recalled(plan.name).spec), sort_keys=False))
    assert vpnlab("apply", "-t", str(same)).exit_code == 0
    assert living_lab.given[-1] == plan
    assert record.read_fault(plan.name) is None
    assert vpnlab("status").exit_code == 0

"""Plans and reports on their way through JSON: nothing is lost, nothing unknown is let in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.plan.codec import digest, from_json, to_json
from lab.plan.compile import compile_plan
from lab.plan.model import LabPlan
from lab.plan.report import LabReport, NodeStatus
from lab.spec.load import reference

PLAN = compile_plan(reference())


def test_a_report_without_a_look_at_the_node_survives():
    report = LabReport("ha", "-", (NodeStatus("vm1", None, 1, "agent 7 was killed by SIGKILL", None, None, True),))
    assert from_json(LabReport, to_json(report)) == report


@pytest.mark.parametrize("data", [None, [], "text", 1])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(ValueError, match="expected an object"):
        from_json(LabPlan, data)


def test_an_unknown_key_is_named_with_its_place():
    data = to_json(PLAN)
    data["nodes"][1]["colour"] = "blue"
    with pytest.raises(ValueError, match=r"colour.*nodes\[1\]"):
        from_json(LabPlan, data)


def test_a_missing_key_is_named():
    data = to_json(PLAN)
    del data["tunnels"][0]["cloud_node"]
    with pytest.raises(ValueError, match=r"tunnels\[0\]\.cloud_node"):
        from_json(LabPlan, data)


def test_an_address_that_is_none_is_named_with_its_place():
    data = to_json(PLAN)
    data["pings"][0]["source"] = "10.0.1.256"
    with pytest.raises(ValueError, match=r"pings\[0\]\.source"):
        from_json(LabPlan, data)


def test_a_digest_tells_plans_apart():
    assert digest(PLAN) == digest(from_json(LabPlan, to_json(PLAN)))
    assert digest(PLAN) != digest(replace(PLAN, name="other"))

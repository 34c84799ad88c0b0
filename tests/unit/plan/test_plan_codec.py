"""Plans and reports on their way through JSON: nothing is lost, nothing unknown is let in."""

from __future__ import annotations

from dataclasses import replace

import cattrs.converters
import pytest

from lab.plan import codec
from lab.plan.codec import digest, digest_of_json, from_json, to_json
from lab.plan.compile import compile_plan
from lab.plan.model import LabPlan, NodePlan
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


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("nodes", 0, "role"), "gateway"),
        (("nodes", 0, "interfaces", 0, "mtu"), float("inf")),
        (("nodes", 0, "interfaces"), 5),
        (("nodes", 0, "interfaces", 0), []),
        (("pings", 0, "source"), None),
        (("links", 0, "a", "colour"), "blue"),
    ],
)
def test_whatever_is_wrong_is_a_value_error_with_its_place(place, value):
    data = to_json(PLAN)
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(ValueError, match=rf"\$\.{place[0]}\[{place[1]}\]"):
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


def test_the_digest_of_what_was_sent_is_that_of_the_plan():
    assert digest_of_json(to_json(PLAN)) == digest(PLAN)


@pytest.fixture
def generated(monkeypatch):
    """The kinds for which a fresh converter has generated code so far."""
    kinds = []
    for name in ("make_dict_structure_fn", "make_dict_unstructure_fn"):
        generate = getattr(cattrs.converters, name)

        def noting(kind, *args, generate=generate, **options):
            kinds.append(kind)
            return generate(kind, *args, **options)

        monkeypatch.setattr(cattrs.converters, name, noting)
    monkeypatch.setattr(codec, "_CONVERTER", codec._converter(tells=False))
    return kinds


def test_nothing_is_generated_at_the_first_reading_of_what_was_prepared(generated):
    data = to_json(PLAN)
    codec.prepare_reading(LabPlan)
    assert NodePlan in generated
    generated.clear()
    assert from_json(LabPlan, data) == PLAN
    assert generated == []


def test_nothing_is_generated_at_the_first_writing_of_what_was_prepared(generated):
    codec.prepare_writing(LabPlan)
    assert NodePlan in generated
    generated.clear()
    assert to_json(PLAN)["name"] == PLAN.name
    assert generated == []

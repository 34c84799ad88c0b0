"""A lab as a file for Docker Compose: what is in it, and the one that comes with the project."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from lab.errors import UsageError
from lab.export.compose import READY, render
from lab.plan.codec import from_json
from lab.plan.compile import compile_plan
from lab.plan.containers import CAPABILITIES, CONDUCTOR, PLAN_VARIABLE
from lab.plan.model import LabPlan
from lab.spec.load import parse_topology, reference

ROOT = Path(__file__).parents[3]
PLAN = compile_plan(reference())
BESIDE = (CONDUCTOR, READY)
FILE = yaml.safe_load(render(PLAN))


def test_the_file_that_comes_with_the_project_is_the_reference_lab():
    assert (ROOT / "compose" / "compose.yaml").read_text() == render(PLAN), (
        "after a change that is meant: vpnlab export compose -o compose/compose.yaml"
    )


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.vpnlab.yaml")), ids=lambda path: path.stem)
def test_every_end_of_a_link_is_on_its_network_with_the_planned_address(example):
    plan = compile_plan(parse_topology(example.read_bytes(), str(example)))
    tree = yaml.safe_load(render(plan))
    ends = {end.mac for link in plan.links for end in (link.a, link.b)}
    services = [tree["services"][node.name] for node in plan.nodes]
    assert {port["mac_address"] for service in services for port in service["networks"].values()} == ends
    assert len(tree["networks"]) == len(plan.links)


def test_networks_lead_nowhere_and_do_not_overlap():
    networks = FILE["networks"].values()
    assert all(network["internal"] for network in networks)
    subnets = [IPv4Network(network["ipam"]["config"][0]["subnet"]) for network in networks]
    assert not any(a.overlaps(b) for a in subnets for b in subnets if a is not b)


def test_nodes_have_the_capabilities_that_they_need_and_no_other():
    for name, service in FILE["services"].items():
        assert service["cap_drop"] == ["ALL"]
        assert service.get("cap_add", []) == ([] if name in BESIDE else list(CAPABILITIES))
        assert service["read_only"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service


def test_a_node_sees_no_other_nodes_folder():
    folders = {name: service["volumes"] for name, service in FILE["services"].items() if name not in BESIDE}
    assert folders == {name: [f"run-{name}:/run/vpnlab/{name}"] for name in folders}


def test_the_plan_is_in_the_file_whole_and_no_key_is():
    text = FILE["services"][CONDUCTOR]["environment"][PLAN_VARIABLE]
    assert from_json(LabPlan, json.loads(text.replace("$$", "$"))) == PLAN
    assert "psk" not in render(PLAN)


def test_subnets_can_be_chosen_and_too_few_are_refused():
    tree = yaml.safe_load(render(PLAN, IPv4Network("192.0.2.0/24")))
    assert tree["networks"]["bgw1-wan1"]["ipam"]["config"][0]["subnet"].startswith("192.0.2.")
    with pytest.raises(UsageError, match="holds 2 subnets for networks; lab ha has 7 links"):
        render(PLAN, IPv4Network("192.0.2.0/28"))


def test_up_returns_when_the_lab_is_ready():
    assert FILE["services"][READY]["depends_on"] == {CONDUCTOR: {"condition": "service_healthy"}}

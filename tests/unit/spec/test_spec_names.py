"""Names by the cloud's rule, descriptions, and the names of nodes that come of names."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import SpecError
from lab.plan.compile import compile_plan
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.model import LabSpec
from lab.spec.names import LAB_NAME_PATTERN, NAME_PATTERN, node_name

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())

ACCEPTED = ["a", "9", "_", "-", "A" * 32, "Bad_Name", "北京", "边界网关-1", "边" * 32, "\u3400", "\u4dbf", "\u9fff"]
REFUSED = [
    "''",
    "a" * 33,
    "边" * 33,
    "a.b",
    "a b",
    "a/b",
    "ä",
    "é",
    "ひらがな",
    "한국",
    "a\u3000b",
    "\uff21",
    "😀",
    "'a\\n'",
]


def parsed(tree: dict[str, Any]) -> LabSpec:
    return parse_topology(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode(), "f")


def renamed(name: str) -> dict[str, Any]:
    """The reference with every thing called so and a letter of its own, also where it is referred to."""
    tree: dict[str, Any] = copy.deepcopy(TREE)
    cloud, (device,) = tree["cloud"], tree["idc"]["devices"].values()
    border, vpc, vm, customer, connection = (f"{name}{letter}" for letter in "bvmcn")
    cloud["border_gateways"] = {border: cloud["border_gateways"]["bgw1"]}
    cloud["vpcs"] = {vpc: cloud["vpcs"]["app"]}
    cloud["vpcs"][vpc]["instances"] = {vm: {"subnet": f"{name}s", "address": "10.0.1.10"}}
    cloud["vpcs"][vpc]["subnets"] = {f"{name}s": "10.0.1.0/24"}
    cloud["vpc_attachments"] = [{"vpc": vpc, "border_gateway": border}]
    cloud["customer_gateways"] = {customer: cloud["customer_gateways"]["hq"]}
    cloud["vpn_connections"] = {connection: cloud["vpn_connections"]["hq"]}
    cloud["vpn_connections"][connection] |= {"border_gateway": border, "customer_gateway": customer}
    device["customer_gateway"] = customer
    device["lans"]["hq-lan"]["hosts"] = {f"{name}h": "172.16.1.10"}
    tree["idc"]["devices"] = {f"{name}d": device}
    return tree


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_name_of_the_cloud_s_characters_is_taken(name: str) -> None:
    tree = copy.deepcopy(TREE)
    tree["cloud"]["vpn_connections"] = {name: TREE["cloud"]["vpn_connections"]["hq"]}
    assert list(parsed(tree).cloud.vpn_connections) == [name]


@pytest.mark.parametrize("name", REFUSED)
def test_another_name_is_refused(name: str) -> None:
    text = REFERENCE.read_text().replace("\n  vpn_connections:\n    hq:", f"\n  vpn_connections:\n    {name}:")
    with pytest.raises(SpecError) as caught:
        parse_topology(text.encode(), "f")
    assert any("is not a name" in problem.what for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize("name", ["Bad_Name", "9", "北京", "a" * 33])
def test_a_lab_s_name_stands_in_names_of_files(name: str) -> None:
    with pytest.raises(SpecError, match="is not a name that can be a lab's"):
        parsed({**TREE, "name": name})


@given(st.from_regex(NAME_PATTERN, fullmatch=True))
def test_every_name_has_a_node_name_that_can_be_a_host_s(name: str) -> None:
    node = node_name(name)
    assert re.fullmatch(LAB_NAME_PATTERN, node)
    assert not node.endswith("-") or node == name
    assert (node == name) == bool(re.fullmatch(LAB_NAME_PATTERN, name))


@given(st.lists(st.from_regex(NAME_PATTERN, fullmatch=True), unique=True, max_size=50))
def test_different_names_have_different_node_names(names: list[str]) -> None:
    assert len({node_name(name) for name in names}) == len(names)


def test_node_names_keep_what_can_be_kept() -> None:
    assert node_name("hq-gw") == "hq-gw"
    assert re.fullmatch("hq-gw-[0-9a-f]{6}", node_name("HQ_GW"))
    assert re.fullmatch("n-[0-9a-f]{6}", node_name("北京"))
    assert re.fullmatch("n9th-[0-9a-f]{6}", node_name("9th"))


@pytest.mark.parametrize("name", ["HQ_", "北京"])
def test_a_plan_has_safe_names_and_the_user_s_beside_them(name: str) -> None:
    plan = compile_plan(parsed(renamed(name)))
    assert all(re.fullmatch(LAB_NAME_PATTERN, node.name) for node in plan.nodes)
    assert [node.called for node in plan.nodes if node.role == "border-gateway"] == [f"{name}b"]
    assert plan.node(plan.node_called(f"{name}d")).role == "customer-device"
    assert plan.node(plan.node_called(f"vpc-{name}v")).role == "vpc-router"
    assert [pair.called for pair in plan.tunnels] == [f"{name}n-1", f"{name}n-2"]
    assert all(re.fullmatch("[a-z0-9-]+", pair.name) for pair in plan.tunnels)
    assert {plan.called(ping.source_node) for ping in plan.pings} == {f"{name}m"}
    assert len(plan.pings) == 2


def test_two_things_whose_nodes_would_be_one_are_refused() -> None:
    tree = copy.deepcopy(TREE)
    app = tree["cloud"]["vpcs"]["app"]
    app["instances"] |= {node_name("北京"): {"subnet": "web", "address": "10.0.1.11"}}
    app["instances"] |= {"北京": {"subnet": "web", "address": "10.0.1.12"}}
    with pytest.raises(SpecError, match="each node of the lab is called by its name alone"):
        parsed(tree)


def described(text: object) -> LabSpec:
    tree = copy.deepcopy(TREE)
    cloud = tree["cloud"]
    for part in (
        cloud["border_gateways"]["bgw1"],
        cloud["vpcs"]["app"],
        cloud["vpc_attachments"][0],
        cloud["customer_gateways"]["hq"],
        cloud["vpn_connections"]["hq"],
        cloud["vpn_connections"]["hq"]["tunnels"][0],
    ):
        part["description"] = text
    return parsed(tree)


@pytest.mark.parametrize("text", ["", "to the data centre in 北京 ✓", "描" * 256, "x"])
def test_a_description_has_at_most_256_characters(text: str) -> None:
    spec = described(text)
    assert spec.cloud.vpc_attachments[0].description == text
    assert compile_plan(spec).connections[0].description == text


@pytest.mark.parametrize("text", ["x" * 257, "描" * 257, "two\nlines", "\x1b[31m", "\u2028", ["x"], {"a": "b"}])
def test_a_description_that_is_too_long_or_would_move_a_cursor_is_refused_everywhere(text: object) -> None:
    with pytest.raises(SpecError) as caught:
        described(text)
    assert len(caught.value.problems) == 6


def test_what_is_left_out_describes_nothing() -> None:
    assert parsed(TREE).cloud.border_gateways["bgw1"].description == ""

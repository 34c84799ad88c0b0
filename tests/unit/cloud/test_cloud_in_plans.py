"""What the rules decide for a plan: routes to VPCs, announcements, limits."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from endpoint.plan import NextHop
from lab.node.forwarding import forwarding_of
from lab.plan.compile import compile_again, compile_plan
from lab.plan.model import LabPlan
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.model import LabSpec

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())


def plan_with(vpcs: dict[str, dict[str, str]], *, order: tuple[str, ...] = ()) -> LabPlan:
    """The reference with these subnets by VPC and name; the VPCs are attached in `order`."""
    return compile_plan(spec_with(vpcs, order=order))


def spec_with(vpcs: dict[str, dict[str, str]], *, order: tuple[str, ...] = ()) -> LabSpec:
    tree = copy.deepcopy(TREE)
    cloud = tree["cloud"]
    cloud["vpcs"] = {
        vpc: {
            "cidr": "10.0.0.0/8",
            "subnets": subnets,
            "instances": {f"{vpc}-vm": {"subnet": "s", "address": subnets["s"].rpartition(".")[0] + ".9"}},
        }
        for vpc, subnets in vpcs.items()
    }
    cloud["vpc_attachments"] = [{"vpc": vpc, "border_gateway": "bgw1"} for vpc in order or vpcs]
    return parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f")


def routes_of(plan: LabPlan, node: str = "bgw1") -> dict[str, tuple[NextHop, ...]]:
    routes = forwarding_of(plan.node(node), {}, {}, frozenset()).static
    return {str(destination): hops for destination, hops in routes.items()}


def announced_in(plan: LabPlan) -> set[str]:
    speaker = plan.node("bgw1").speaker
    assert speaker is not None
    first, second = (set(map(str, neighbor.announce)) for neighbor in speaker.neighbors)
    assert first == second
    return first


OVERLAPPING = {"a": {"s": "10.0.0.0/16"}, "b": {"s": "10.0.1.0/24", "t": "10.1.0.0/24"}}


@pytest.mark.parametrize(
    ("order", "valid", "pinged"),
    [
        (("a", "b"), {"10.0.0.0/16": "vpc1", "10.1.0.0/24": "vpc2"}, "a-vm"),
        (("b", "a"), {"10.0.1.0/24": "vpc2", "10.1.0.0/24": "vpc2"}, "b-vm"),
    ],
)
def test_of_two_vpcs_that_overlap_the_one_that_is_attached_first_is_routed_and_announced(
    order: tuple[str, ...], valid: dict[str, str], pinged: str
) -> None:
    plan = plan_with(OVERLAPPING, order=order)
    assert {text: hops[0].interface for text, hops in routes_of(plan).items()} == valid
    assert announced_in(plan) == set(valid)
    assert {ping.source_node for ping in plan.pings} == {pinged}


def test_the_first_to_arrive_stays_valid_wherever_the_file_says_it_and_comes_back_behind() -> None:
    first = compile_again(spec_with(OVERLAPPING, order=("a", "b")), None)
    other = compile_again(spec_with(OVERLAPPING, order=("b", "a")), first.allocations)
    assert set(routes_of(other.plan)) == announced_in(other.plan) == {"10.0.0.0/16", "10.1.0.0/24"}
    without = compile_again(spec_with({"b": OVERLAPPING["b"]}), other.allocations)
    assert set(routes_of(without.plan)) == {"10.0.1.0/24", "10.1.0.0/24"}
    back = compile_again(spec_with(OVERLAPPING, order=("a", "b")), without.allocations)
    assert set(routes_of(back.plan)) == announced_in(back.plan) == {"10.0.1.0/24", "10.1.0.0/24"}


def test_vpcs_that_are_apart_are_both_routed_and_announced() -> None:
    plan = plan_with({"a": {"s": "10.0.0.0/24"}, "b": {"s": "10.0.1.0/24"}})
    assert set(routes_of(plan)) == announced_in(plan) == {"10.0.0.0/24", "10.0.1.0/24"}


def test_the_cloud_limits_what_it_accepts_and_the_customer_does_not() -> None:
    plan = plan_with({"a": {"s": "10.0.0.0/24"}})
    cloud, customer = plan.node("bgw1").speaker, plan.node("hq-gw").speaker
    assert cloud is not None
    assert customer is not None
    assert (cloud.max_prefixes, customer.max_prefixes) == (300, None)

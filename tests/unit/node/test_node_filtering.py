"""What follows from a node's plan for its filters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endpoint.filters import Filters
from lab.node.filtering import filters_of
from lab.plan.compile import compile_plan
from lab.spec.load import reference

PLAN = compile_plan(reference())


@pytest.mark.parametrize("node", ["internet", "vpc-app", "vm1", "hq-host"])
def test_a_node_without_tunnels_has_no_filters(node):
    assert filters_of(PLAN.node(node)) == Filters()


@pytest.mark.parametrize("node", ["bgw1", "hq-gw"])
def test_a_gateway_clamps_the_mss_while_it_has_tunnels(node):
    assert filters_of(PLAN.node(node)).clamps_mss
    assert not filters_of(replace(PLAN.node(node), endpoint=None)).clamps_mss


def test_the_border_gateway_keeps_its_tunnels_apart():
    assert filters_of(PLAN.node("bgw1")).isolated == {"xfrm1", "xfrm2"}
    assert filters_of(PLAN.node("hq-gw")).isolated == frozenset()

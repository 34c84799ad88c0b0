"""A plan with empty tunnels: nothing is announced or routed over them, and they stay up."""

from __future__ import annotations

from dataclasses import replace

from lab.plan.compile import compile_plan
from lab.plan.draining import drained
from lab.spec.load import reference

PLAN = compile_plan(reference())


def test_both_ends_of_a_drained_tunnel_withdraw_and_route_nothing_over_it():
    empty = drained(PLAN, ("hq-1",))
    for name in ("bgw1", "hq-gw"):
        before, after = PLAN.node(name), empty.node(name)
        assert after.draining == ("xfrm1",)
        first, second = after.speaker.neighbors
        assert first == replace(before.speaker.neighbors[0], announce=())
        assert second == before.speaker.neighbors[1]
        assert after.endpoint == before.endpoint


def test_other_nodes_are_left_alone():
    empty = drained(PLAN, ("hq-1",))
    assert [node for node in empty.nodes if node in PLAN.nodes] == [
        node for node in PLAN.nodes if node.name not in {"bgw1", "hq-gw"}
    ]
    assert drained(PLAN, ()) == PLAN

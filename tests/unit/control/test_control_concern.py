"""What of a lab's lacks is no consequence of a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.control.concern import amiss_as_before
from lab.plan.compile import compile_plan
from lab.plan.lacks import Lack
from lab.plan.model import LabPlan
from lab.spec.load import reference

PLAN = compile_plan(reference())
TUNNEL_1 = Lack("tunnels", "tunnel hq-1 on bgw1", "no CHILD_SA", "bgw1", "hq-1")
TUNNEL_2 = Lack("tunnels", "tunnel hq-2 on bgw1", "no CHILD_SA", "bgw1", "hq-2")
SESSION_2 = Lack("sessions", "BGP session hq-2 on hq-gw", "connect", "hq-gw", "hq-2")
NODE = Lack("nodes", "node hq-gw", "interfaces: refused", "hq-gw")


def tunnel_2(**changes: object) -> LabPlan:
    node = PLAN.node("bgw1")
    assert node.endpoint is not None
    first, second = node.endpoint.tunnels
    changed = replace(second, **changes)  # type: ignore[arg-type] - any of its fields
    now = replace(node, endpoint=replace(node.endpoint, tunnels=(first, changed)))
    return replace(PLAN, nodes=tuple(now if each.name == "bgw1" else each for each in PLAN.nodes))


def announcing_nothing() -> LabPlan:
    node = PLAN.node("hq-gw")
    assert node.speaker is not None
    neighbors = tuple(replace(neighbor, announce=()) for neighbor in node.speaker.neighbors)
    now = replace(node, speaker=replace(node.speaker, neighbors=neighbors))
    return replace(PLAN, nodes=tuple(now if each.name == "hq-gw" else each for each in PLAN.nodes))


@pytest.mark.parametrize(
    ("after", "before", "missing", "excused"),
    [
        pytest.param(PLAN, [TUNNEL_2], [TUNNEL_2], [TUNNEL_2], id="a tunnel that was down and is not touched"),
        pytest.param(PLAN, [SESSION_2], [TUNNEL_2], [TUNNEL_2], id="what hung on it lacked before"),
        pytest.param(PLAN, [TUNNEL_2], [TUNNEL_1], [], id="another tunnel"),
        pytest.param(PLAN, [], [TUNNEL_2, NODE], [], id="nothing lacked before"),
        pytest.param(tunnel_2(child_lifetime_s=60), [TUNNEL_2], [TUNNEL_2], [], id="the tunnel is planned otherwise"),
        pytest.param(announcing_nothing(), [TUNNEL_2], [TUNNEL_2], [TUNNEL_2], id="it only announces something else"),
        pytest.param(tunnel_2(child_lifetime_s=60), [NODE], [NODE], [NODE], id="a node that is planned as it was"),
        pytest.param(announcing_nothing(), [NODE], [NODE], [], id="a node that is planned otherwise"),
    ],
)
def test_only_what_lacked_before_and_is_untouched_is_excused(
    after: LabPlan, before: list[Lack], missing: list[Lack], excused: list[Lack]
) -> None:
    assert list(amiss_as_before(PLAN, after, before, missing)) == excused

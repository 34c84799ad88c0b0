"""What each fault makes of a plan, and how it is called."""

from __future__ import annotations

import pytest

from lab.errors import UsageError
from lab.plan.compile import compile_plan
from lab.plan.impairments import Drop, Netem
from lab.plan.model import LabPlan
from lab.spec.editing import fitted
from lab.spec.load import reference
from lab.trial.faults import PROCEDURE, Blow, Course, Give, catalogue, fault_called, procedure_for

PLAN = compile_plan(reference())


def course(text: str, tunnel: str = "hq-1") -> Course:
    return fault_called(text).course(PLAN, tunnel)


def last_plan(text: str, tunnel: str = "hq-1") -> LabPlan:
    step = course(text, tunnel).steps[-1]
    assert isinstance(step, Give)
    return step.plan


def changed_nodes(plan: LabPlan) -> set[str]:
    return {node.name for node, before in zip(plan.nodes, PLAN.nodes, strict=True) if node != before}


def test_a_closed_session_is_the_device_s_alone_and_its_tunnel_stays() -> None:
    plan = last_plan("bgp-session")
    assert changed_nodes(plan) == {"hq-gw"}
    device = plan.node("hq-gw")
    assert [neighbor.admin_up for neighbor in device.speaker.neighbors] == [False, True]
    assert device.endpoint == PLAN.node("hq-gw").endpoint


def test_a_withdrawn_route_keeps_its_session_and_only_the_cloud_has_to_leave() -> None:
    device = last_plan("route", "hq-2").node("hq-gw")
    assert [bool(neighbor.announce) for neighbor in device.speaker.neighbors] == [True, False]
    assert all(neighbor.admin_up for neighbor in device.speaker.neighbors)
    assert course("route").leaving == ("cloud",)


def test_the_port_that_carries_the_tunnel_goes_down_and_no_other() -> None:
    plan = last_plan("port", "hq-2")
    assert changed_nodes(plan) == {"hq-gw"}
    down = [port for port in plan.node("hq-gw").interfaces if not port.up]
    assert [str(port.addresses[0].ip) for port in down] == ["192.0.2.10"]


def test_a_tunnel_is_drained_before_it_is_disabled() -> None:
    first, second = course("tunnel-disable").steps
    assert isinstance(first, Give)
    assert isinstance(second, Give)
    assert first.until == "empty"
    for name in ("bgw1", "hq-gw"):
        assert first.plan.node(name).draining == ("xfrm1",)
        assert [end.admin_up for end in second.plan.node(name).endpoint.tunnels] == [False, True]
        assert [neighbor.admin_up for neighbor in second.plan.node(name).speaker.neighbors] == [False, True]


def test_maintenance_works_on_the_port_only_while_the_tunnel_is_disabled() -> None:
    plans = [step.plan for step in course("maintenance").steps if isinstance(step, Give)]
    shut = [any(not port.up for port in plan.node("hq-gw").interfaces) for plan in plans]
    off = [not plan.node("hq-gw").endpoint.tunnels[0].admin_up for plan in plans]
    assert shut == [False, False, True, False]
    assert off == [False, True, True, True]


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("blackhole", [("net3", "net1"), ("net1", "net3")]),
        ("blackhole to-idc", [("net3", "net1")]),
        ("blackhole to-cloud", [("net1", "net3")]),
    ],
)
def test_a_black_hole_lies_between_the_two_addresses_of_the_tunnel(text: str, ways: list[tuple[str, str]]) -> None:
    plan = last_plan(text)
    assert changed_nodes(plan) == {"internet"}
    towards = {str(route.destination): route.next_hops[0].interface for route in plan.node("internet").routes}
    assert (towards["198.51.100.10/32"], towards["203.0.113.10/32"]) == ("net1", "net3")
    assert plan.node("internet").impairments.drops == tuple(Drop(*way) for way in ways)


def test_loss_and_delay_lie_on_the_tunnel_s_path_and_nobody_has_to_leave() -> None:
    assert last_plan("loss 2.5%").node("internet").impairments.netem == (
        Netem("net3", loss_percent=2.5),
        Netem("net1", loss_percent=2.5),
    )
    assert last_plan("delay 40ms").node("internet").impairments.netem[0] == Netem("net3", delay_ms=40)
    assert course("delay").leaving == ()


def test_a_gateway_that_is_gone_has_no_port_up_and_runs_nothing() -> None:
    node = last_plan("gateway").node("hq-gw")
    assert not any(port.up for port in node.interfaces)
    assert (node.endpoint, node.speaker) == (None, None)
    assert changed_nodes(last_plan("gateway cloud")) == {"bgw1"}


@pytest.mark.parametrize(
    ("text", "blow"),
    [
        ("kill charon", Blow("hq-gw", "charon", "KILL")),
        ("kill-exabgp", Blow("hq-gw", "exabgp", "KILL")),
        ("freeze agent cloud", Blow("bgw1", "agent", "STOP")),
    ],
)
def test_a_blow_hits_one_daemon_of_one_gateway(text: str, blow: Blow) -> None:
    assert course(text).steps == (blow,)


def test_every_fault_of_the_catalogue_can_be_played_on_every_tunnel() -> None:
    for kind in catalogue():
        for pair in PLAN.tunnels:
            assert fault_called(kind.name).course(PLAN, pair.name).steps, kind.name
    assert set(PROCEDURE) <= {kind.name for kind in catalogue()}


@pytest.mark.parametrize(
    ("text", "what", "mend"),
    [
        ("blakhole", "there is no fault 'blakhole'", "did you mean blackhole?"),
        ("loss 101%", "fault loss: '101%' cannot be meant", "write loss [PERCENT%]"),
        ("blackhole up", "fault blackhole: 'up' cannot be meant", "write blackhole [to-idc|to-cloud]"),
        ("port 2", "fault port: '2' cannot be meant", "write port "),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(text: str, what: str, mend: str) -> None:
    with pytest.raises(UsageError) as refused:
        fault_called(text)
    assert (refused.value.what, refused.value.mend) == (what, mend)


def test_an_unknown_tunnel_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no tunnel hq-9"):
        course("port", "hq-9")


def test_a_tunnel_without_bgp_has_no_session_that_the_procedure_could_close() -> None:
    tree = reference().model_dump(mode="json")
    tree["cloud"]["vpn_connections"]["hq"]["bgp"] = False
    static = compile_plan(fitted(tree))
    assert [fault.name for fault in procedure_for(PLAN, "hq-1")] == list(PROCEDURE)
    assert [fault.name for fault in procedure_for(static, "hq-1")] == ["port", "tunnel-disable"]
    with pytest.raises(UsageError, match="no BGP session"):
        fault_called("route").course(static, "hq-1")

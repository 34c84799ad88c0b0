"""Timers: the profile's, and those that a tunnel has of its own."""

from __future__ import annotations

from lab.plan.compile import compile_plan
from lab.plan.model import LabPlan
from lab.plan.timers import FAST
from lab.spec.editing import fitted
from lab.spec.load import reference


def plan_with(*settings: dict[str, object]) -> LabPlan:
    """The reference topology with settings of its tunnels, in their order."""
    tree = reference().model_dump(mode="json")
    for tunnel, own in zip(tree["cloud"]["vpn_connections"]["hq"]["tunnels"], settings, strict=True):
        tunnel.update(own)
    return compile_plan(fitted(tree))


def test_what_a_tunnel_does_not_say_is_the_profile_s() -> None:
    for node in ("bgw1", "hq-gw"):
        found = plan_with({}, {}).node(node)
        assert [tunnel.dpd_delay_s for tunnel in found.endpoint.tunnels] == [FAST.dpd_delay_s] * 2
        assert [(n.hold_time_s, n.keepalive_s) for n in found.speaker.neighbors] == [(FAST.hold_time_s, None)] * 2
        assert found.endpoint.retransmission == FAST.retransmission


def test_a_tunnel_has_timers_of_its_own_at_both_ends_and_its_neighbour_keeps_the_profile_s() -> None:
    own = {"dpd_delay_sec": 4, "dpd_retries": 5, "bgp_hold_sec": 12, "bgp_keepalive_sec": 2}
    plan = plan_with(own, {"dpd_retries": 5})
    for node in ("bgw1", "hq-gw"):
        found = plan.node(node)
        assert [(tunnel.dpd_delay_s, tunnel.dpd_retries) for tunnel in found.endpoint.tunnels] == [(4, 5), (1, 5)]
        assert [(n.hold_time_s, n.keepalive_s) for n in found.speaker.neighbors] == [(12, 2), (3, None)]
        assert found.endpoint.retransmission.tries == 5


def test_dpd_that_is_off_stays_off_whatever_the_profile_says() -> None:
    plan = plan_with({"ike_dpd_sec": 0}, {})
    assert [tunnel.dpd_delay_s for tunnel in plan.node("bgw1").endpoint.tunnels] == [0, FAST.dpd_delay_s]

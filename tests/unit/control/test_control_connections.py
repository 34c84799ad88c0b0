"""haStatus and the status of tunnels, from what the cloud's end reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endpoint.report import EndpointReport, TunnelReport
from lab.cloud.high_availability import HaStatus
from lab.cloud.tunnel_status import Status
from lab.control.connections import connection_statuses
from lab.plan.compile import compile_plan
from lab.plan.report import LabReport, NodeReport, NodeStatus
from lab.spec.load import reference

PLAN = compile_plan(reference())


def report(*states, stale=False):
    """The cloud's end with its two tunnels in these states; nothing else has reported."""
    tunnels = tuple(
        TunnelReport(f"hq-{number}", f"xfrm{number}", state, 0.0, None, None, None)
        for number, state in enumerate(states, start=1)
    )
    seen = NodeReport("bgw1", 0.0, (), (), (), EndpointReport(1, 0, None, tunnels), None)
    return LabReport("ha", "-", (NodeStatus("bgw1", 1, 0, None, seen, 0.0, stale),))


@pytest.mark.parametrize(
    ("states", "operational", "ha_status"),
    [
        (("up", "up"), [Status.UP, Status.UP], HaStatus.REDUNDANCY),
        (("up", "down"), [Status.UP, Status.DOWN], HaStatus.NO_REDUNDANCY),
        (("negotiating", "admin-down"), [Status.DOWN, Status.DOWN], HaStatus.NO_REDUNDANCY),
    ],
)
def test_the_reference_is_redundant_while_both_tunnels_are_up(states, operational, ha_status):
    (found,) = connection_statuses(PLAN, report(*states))
    assert [tunnel.operational for tunnel in found.tunnels] == operational
    assert found.ha_status is ha_status


@pytest.mark.parametrize("seen", [LabReport("ha", "", ()), report("up", "up", stale=True)])
def test_what_nobody_has_seen_lately_is_not_up(seen):
    (found,) = connection_statuses(PLAN, seen)
    assert {tunnel.operational for tunnel in found.tunnels} == {Status.DOWN}


def test_a_disabled_tunnel_is_down_whatever_its_sas_are():
    gateway = PLAN.node("bgw1")
    tunnels = tuple(replace(tunnel, admin_up=tunnel.name != "hq-1") for tunnel in gateway.endpoint.tunnels)
    disabled = replace(gateway, endpoint=replace(gateway.endpoint, tunnels=tunnels))
    plan = replace(PLAN, nodes=tuple(disabled if node is gateway else node for node in PLAN.nodes))
    (found,) = connection_statuses(plan, report("up", "up"))
    assert [(tunnel.admin, tunnel.operational) for tunnel in found.tunnels] == [
        (Status.DOWN, Status.DOWN),
        (Status.UP, Status.UP),
    ]

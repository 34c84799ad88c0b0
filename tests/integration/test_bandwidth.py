"""The bandwidth of a tunnel, measured in both directions, and what becomes of its bound when the tunnel is changed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flow_rates import DIRECTIONS, flow
from replanning import both_have, changed, planned

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

MBPS = 1_000_000
OFFERED = 2
"""How many times the bound is sent; a guest without hardware virtualisation has to be able to."""


def bounded(plan, bps):
    """The plan with all traffic in the first tunnel, whose cloud end forwards so much."""
    endpoint = plan.node("bgw1").endpoint
    ends = tuple(replace(end, bandwidth_bps=bps) if end.name == "hq-1" else end for end in endpoint.tunnels)
    plan = changed(plan, "bgw1", endpoint=replace(endpoint, tunnels=ends), draining=("xfrm2",))
    return changed(plan, "hq-gw", draining=("xfrm2",))


@pytest.fixture(scope="module", params=[1, 2, 5])
def bound_mbps(running_lab, request):
    """The bound of the first tunnel, which has all traffic meanwhile."""
    with planned(running_lab, bounded(running_lab.plan, request.param * MBPS)):
        running_lab.wait_for(both_have("xfrm1"), "all traffic in tunnel 1")
        yield request.param


@pytest.mark.slow
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tcp_fills_the_bandwidth_of_a_tunnel_and_gets_no_more(running_lab, bound_mbps, direction):
    with flow(running_lab, "tcp", direction) as arrival:
        assert arrival.bps() == pytest.approx(bound_mbps * MBPS, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("bound_mbps", [2], indirect=True)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_flow_that_sends_more_than_fits_gets_no_more_and_leaves_bgp_its_share(running_lab, bound_mbps, direction):
    since = running_lab.last_event()
    with flow(running_lab, "udp", direction, bps=OFFERED * bound_mbps * MBPS) as arrival:
        assert 0 < arrival.bps() <= 1.1 * bound_mbps * MBPS
        assert [event for event in running_lab.events(since) if event.kind == "bgp-lost"] == []


def bounds(lab):
    """The bounds of the border gateway's interfaces as its kernel has them."""
    listed = lab.exec("bgw1", ["tc", "qdisc", "show"]).stdout.decode()
    return dict(re.findall(r"qdisc tbf \S+ dev (\S+) .*rate (\S+) ", listed))


def test_a_bound_is_set_when_the_tunnel_is_modified_and_goes_with_it(ready_lab):
    lab = ready_lab

    def done(*words):
        finished = lab.vpnlab(*words)
        assert finished.returncode == 0, finished.stderr

    assert bounds(lab) == {}
    done("tunnel disable", "hq-2")
    for mbps in (5, 7):
        done("tunnel modify", "hq-2", f"bandwidth_mbps={mbps}")
        assert bounds(lab) == {"xfrm2": f"{mbps}Mbit", "xfrm2-in": f"{mbps}Mbit"}
    done("tunnel enable", "hq-2")
    assert bounds(lab) == {"xfrm2": "7Mbit", "xfrm2-in": "7Mbit"}
    assert lab.vpnlab("ping").returncode == 0
    done("tunnel disable", "hq-2")
    done("tunnel delete", "hq-2")
    assert bounds(lab) == {}
    assert {port.name for port in lab.node("bgw1").report.interfaces} == {"vpc1", "wan1", "wan2", "xfrm1"}

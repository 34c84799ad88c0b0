"""Which end of a tunnel bounds its bandwidth, and when."""

from __future__ import annotations

import pytest

from lab.plan.compile import compile_plan
from lab.spec.load import reference
from lab.spec.model import LabSpec


def bounds(mbps, node):
    """What the tunnels of a node are bounded to where the file says so much of the first one."""
    tree = reference().model_dump(mode="json")
    tree["cloud"]["vpn_connections"]["hq"]["tunnels"][0]["bandwidth_mbps"] = mbps
    plan = compile_plan(LabSpec.model_validate(tree))
    return [tunnel.bandwidth_bps for tunnel in plan.node(node).endpoint.tunnels]


@pytest.mark.parametrize(("mbps", "bps"), [(1, 1_000_000), (1499, 1_499_000_000), (1500, 0)])
def test_the_cloud_alone_bounds_a_tunnel_and_the_most_that_is_sold_is_no_bound(mbps, bps):
    assert bounds(mbps, "bgw1") == [bps, 0]
    assert bounds(mbps, "hq-gw") == [0, 0]

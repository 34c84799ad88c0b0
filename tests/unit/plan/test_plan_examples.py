"""The topologies to copy: each is fine, and its tunnels are the ones that its comments promise."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lab.errors import SpecError
from lab.plan.compile import compile_plan
from lab.spec.load import load_topology, parse_topology

EXAMPLES = Path(__file__).parents[3] / "examples"
TUNNELS = {
    "ha": ["hq-1 203.0.113.10 198.51.100.10", "hq-2 203.0.113.20 192.0.2.10"],
    "single-ip": ["shop-1 203.0.113.10 198.51.100.10", "shop-2 203.0.113.20 198.51.100.10"],
    "four-ip": [
        "aws-1 203.0.113.10 198.51.100.10",
        "aws-2 203.0.113.10 198.51.100.11",
        "aws-3 203.0.113.20 192.0.2.10",
        "aws-4 203.0.113.20 192.0.2.11",
    ],
    "two-customers": [
        "red-1 203.0.113.10 198.51.100.10",
        "red-2 203.0.113.20 192.0.2.10",
        "blue-1 203.0.113.30 198.51.100.20",
        "blue-2 203.0.113.40 192.0.2.20",
    ],
    "static": ["hq-1 203.0.113.10 198.51.100.10", "hq-2 203.0.113.11 192.0.2.10"],
    "policy": ["hq-1 203.0.113.10 198.51.100.10", "hq-2 203.0.113.20 192.0.2.10"],
    "two-vpcs": ["hq-1 203.0.113.10 198.51.100.10", "hq-2 203.0.113.11 192.0.2.10"],
    "region-to-region": ["far-1 203.0.113.10 198.51.100.10", "far-2 203.0.113.11 192.0.2.10"],
    "nat": ["hq-1 203.0.113.10 198.51.100.10", "hq-2 203.0.113.20 192.0.2.10"],
    "legacy": ["old-1 203.0.113.10 198.51.100.10", "old-2 203.0.113.20 192.0.2.10"],
}


def test_every_example_is_looked_at():
    assert {path.name.removesuffix(".vpnlab.yaml") for path in EXAMPLES.glob("*.vpnlab.yaml")} == set(TUNNELS)


def test_bgp_between_two_regions_of_one_asn_is_refused():
    text = (EXAMPLES / "region-to-region.vpnlab.yaml").read_bytes().replace(b"bgp: false", b"bgp: true")
    with pytest.raises(SpecError) as caught:
        parse_topology(text, "f")
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == ("cloud.vpn_connections.far.local_asn", "both ends have ASN 65010")
    assert "eBGP is between different ASNs" in str(problem.why)


@pytest.mark.parametrize("name", TUNNELS)
def test_an_example_is_named_as_its_file_and_has_the_tunnels_of_its_comments(name):
    spec = load_topology(str(EXAMPLES / f"{name}.vpnlab.yaml"), Path.cwd(), io.BytesIO())
    assert (spec.name, spec.timers) == (name, "fast")
    pairs = compile_plan(spec).tunnels
    assert [f"{pair.name} {pair.cloud_address} {pair.customer_address}" for pair in pairs] == TUNNELS[name]

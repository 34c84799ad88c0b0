"""A customer's device behind NAT, as it is planned."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from endpoint.plan import NatPlan
from lab.plan.compile import compile_plan
from lab.spec.load import parse_topology

TEXT = (Path(__file__).parents[3] / "examples" / "nat.vpnlab.yaml").read_text()
PLAN = compile_plan(parse_topology(TEXT.encode(), "nat"))
FIRST, SECOND = ("198.51.100.10", "192.168.1.2"), ("192.0.2.10", "192.168.2.2")


def ends(node):
    return {tunnel.name: tunnel for tunnel in PLAN.node(node).endpoint.tunnels}


def test_the_router_has_the_public_address_and_the_device_the_private_one():
    assert [port.addresses for port in PLAN.node("cpe1").interfaces] == [(IPv4Interface(FIRST[0]),), ()]
    wan = [port.addresses for port in PLAN.node("hq-gw").interfaces if port.name.startswith("wan")]
    assert wan == [(IPv4Interface(private),) for _, private in (FIRST, SECOND)]


def test_a_router_is_alone_between_its_device_and_the_internet():
    links = {frozenset((link.a.node, link.b.node)) for link in PLAN.links}
    assert {pair for pair in links if "cpe1" in pair} == {frozenset(("cpe1", "hq-gw")), frozenset(("cpe1", "internet"))}
    assert frozenset(("hq-gw", "internet")) not in links


def test_the_ends_know_each_other_by_the_addresses_that_they_can_see():
    for name, (public, private) in {"hq-1": FIRST, "hq-2": SECOND}.items():
        cloud, device = ends("bgw1")[name], ends("hq-gw")[name]
        assert (str(cloud.remote_address), str(device.local_address)) == (public, private)
        assert cloud.remote_id == device.local_id == public
        assert cloud.inner_mtu == device.inner_mtu == 1422


def test_the_end_that_can_reach_the_other_initiates():
    assert {name: tunnel.initiate for name, tunnel in ends("bgw1").items()} == {"hq-1": True, "hq-2": False}
    assert {name: tunnel.initiate for name, tunnel in ends("hq-gw").items()} == {"hq-1": False, "hq-2": True}


@pytest.mark.parametrize(("node", "pair", "forwards"), [("cpe1", FIRST, True), ("cpe2", SECOND, False)])
def test_a_router_forwards_ike_where_the_file_says_so(node, pair, forwards):
    assert PLAN.node(node).nat == (NatPlan("wan1", *map(IPv4Address, pair), forwards_ike=forwards),)


def test_the_device_is_a_bgp_router_by_its_public_address():
    assert PLAN.node("hq-gw").speaker.router_id == IPv4Address(FIRST[0])


def test_without_its_routers_the_device_has_the_public_addresses():
    start, end = TEXT.index("      nat_routers:"), TEXT.index("      lans:")
    plan = compile_plan(parse_topology((TEXT[:start] + TEXT[end:]).encode(), "nat"))
    assert {str(tunnel.local_address) for tunnel in plan.node("hq-gw").endpoint.tunnels} == {FIRST[0], SECOND[0]}
    assert {tunnel.inner_mtu for tunnel in plan.node("bgw1").endpoint.tunnels} == {1438}

"""What a node forwards: a border gateway by its valid table, a VPC's router by the VPC's route table."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from bgp.path import Path
from endpoint.plan import NextHop
from lab.cloud.routing import NextHopType, Route, RouteType
from lab.node.forwarding import forwarding_of
from lab.plan.compile import compile_plan
from lab.plan.report import Offer
from lab.spec.load import reference

PLAN = compile_plan(reference())
GATEWAY, ROUTER, DEVICE = PLAN.node("bgw1"), PLAN.node("vpc-app"), PLAN.node("hq-gw")
VPC, IDC = IPv4Network("10.0.1.0/24"), IPv4Network("172.16.1.0/24")
BOTH = frozenset({"xfrm1", "xfrm2"})
TO_VPC = (NextHop("vpc1", IPv4Address("100.64.0.2")),)
HOPS = {
    "hq-1": NextHop("xfrm1", IPv4Address("169.254.10.1")),
    "hq-2": NextHop("xfrm2", IPv4Address("169.254.10.5")),
}


def path(tunnel, *as_path):
    return Path(tunnel, HOPS[tunnel].interface, HOPS[tunnel].via, as_path or (65010,))


LEARNED = {IDC: (path("hq-1"), path("hq-2"))}


def with_static(*routes):
    return replace(GATEWAY, tables=replace(GATEWAY.tables, static=routes))


def test_a_border_gateway_shares_what_it_learned_over_both_tunnels_and_offers_it_to_its_vpc():
    found = forwarding_of(GATEWAY, LEARNED, {}, BOTH)
    assert found.static == {VPC: TO_VPC}
    assert found.bgp == {IDC: (HOPS["hq-1"], HOPS["hq-2"])}
    assert found.offers == (Offer("app", "bgw1", (IDC,)),)


def test_a_tunnel_that_carries_nothing_is_no_way():
    assert forwarding_of(GATEWAY, LEARNED, {}, frozenset({"xfrm2"})).bgp == {IDC: (HOPS["hq-2"],)}
    without = forwarding_of(GATEWAY, LEARNED, {}, frozenset())
    assert (without.bgp, without.offers) == ({}, (Offer("app", "bgw1", ()),))


def test_a_static_route_to_a_connection_wins_over_bgp_and_follows_its_tunnels():
    plan = with_static(Route(IDC, NextHopType.VPN_CONNECTION, "hq", RouteType.STATIC))
    found = forwarding_of(plan, {IDC: (path("hq-1"),)}, {}, BOTH)
    assert (found.static[IDC], found.bgp) == ((HOPS["hq-1"], HOPS["hq-2"]), {})
    assert forwarding_of(plan, {}, {}, frozenset({"xfrm2"})).static[IDC] == (HOPS["hq-2"],)


def test_bgp_takes_over_when_no_tunnel_of_a_static_route_is_up():
    plan = with_static(Route(IDC, NextHopType.VPN_CONNECTION, "other", RouteType.STATIC))
    found = forwarding_of(plan, LEARNED, {}, BOTH)
    assert IDC not in found.static
    assert found.bgp == {IDC: (HOPS["hq-1"], HOPS["hq-2"])}


def test_a_session_that_has_left_the_plan_leads_nowhere():
    fewer = replace(GATEWAY, tables=replace(GATEWAY.tables, tunnels=GATEWAY.tables.tunnels[1:]))
    assert forwarding_of(fewer, LEARNED, {}, BOTH).bgp == {IDC: (HOPS["hq-2"],)}


def test_a_shorter_as_path_wins():
    found = forwarding_of(GATEWAY, {IDC: (path("hq-1", 65010, 65010), path("hq-2"))}, {}, BOTH)
    assert found.bgp == {IDC: (HOPS["hq-2"],)}


def test_a_vpc_router_takes_what_is_offered():
    before = forwarding_of(ROUTER, {}, {}, frozenset())
    assert set(before.static) == {IPv4Network("10.0.1.10/32")}
    found = forwarding_of(ROUTER, {}, {"bgw1": (IDC,)}, frozenset())
    assert found.static[IDC] == (NextHop("bgw1", IPv4Address("100.64.0.1")),)
    assert set(found.static) == {IPv4Network("10.0.1.10/32"), IDC}


def test_a_customers_device_forwards_by_its_own_bgp():
    learned = {VPC: (Path("hq-1", "xfrm1", IPv4Address("169.254.10.2"), (65000,)),)}
    found = forwarding_of(DEVICE, learned, {}, BOTH)
    assert found.bgp == {VPC: (NextHop("xfrm1", IPv4Address("169.254.10.2")),)}
    assert found.offers == ()


def test_nothing_is_routed_over_a_tunnel_that_is_drained_whoever_says_so():
    static = with_static(Route(IDC, NextHopType.VPN_CONNECTION, "hq", RouteType.STATIC))
    assert forwarding_of(replace(static, draining=("xfrm1",)), {}, {}, BOTH).static[IDC] == (HOPS["hq-2"],)
    assert forwarding_of(replace(GATEWAY, draining=("xfrm1",)), LEARNED, {}, BOTH).bgp == {IDC: (HOPS["hq-2"],)}

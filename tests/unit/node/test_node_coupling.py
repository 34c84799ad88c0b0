"""Routes and sessions follow tunnels: what carries no traffic gets no route."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from bgp.path import Path
from endpoint.plan import NextHop, RoutePlan
from endpoint.report import EndpointReport, InterfaceReport, TunnelReport
from lab.node.coupling import bgp_routes, carrying_interfaces, shut_addresses, speaker_now, static_routes
from lab.plan.compile import compile_plan
from lab.spec.load import reference

GATEWAY = compile_plan(reference()).node("bgw1")
DEVICE = compile_plan(reference()).node("hq-gw")
TUNNELS = GATEWAY.endpoint.tunnels
PREFIX = IPv4Network("172.16.1.0/24")


def tunnel(name, state="up"):
    return TunnelReport(name, "-", state, 0.0, None, None, None)


def port(name, address, up=True):
    return InterfaceReport(name, up, 1500, (IPv4Interface(address),), 0, 0, 0, 0)


PORTS = (port("wan1", "203.0.113.10/32"), port("wan2", "203.0.113.20/32"))


def test_a_tunnel_that_is_up_over_a_port_that_is_up_carries():
    report = EndpointReport(1, 0, None, (tunnel("hq-1"), tunnel("hq-2")))
    assert carrying_interfaces(GATEWAY.endpoint, report, PORTS) == {"xfrm1", "xfrm2"}


@pytest.mark.parametrize("state", ["negotiating", "down", "admin-down"])
def test_a_tunnel_in_any_other_state_does_not(state):
    report = EndpointReport(1, 0, None, (tunnel("hq-1"), tunnel("hq-2", state)))
    assert carrying_interfaces(GATEWAY.endpoint, report, PORTS) == {"xfrm1"}


def test_a_port_that_is_down_takes_its_tunnel_with_it_before_charon_notices():
    report = EndpointReport(1, 0, None, (tunnel("hq-1"), tunnel("hq-2")))
    ports = (replace(PORTS[0], up=False), PORTS[1])
    assert shut_addresses(ports) == {"203.0.113.10"}
    assert carrying_interfaces(GATEWAY.endpoint, report, ports) == {"xfrm2"}


def test_who_opens_a_session_waits_for_the_tunnel_and_who_listens_does_not():
    assert [n.name for n in speaker_now(GATEWAY.speaker, frozenset({"xfrm2"})).neighbors] == ["hq-2"]
    assert [n.name for n in speaker_now(DEVICE.speaker, frozenset()).neighbors] == ["hq-1", "hq-2"]


def test_a_session_that_is_switched_off_stays_in_the_plan_to_be_reported_so():
    off = replace(GATEWAY.speaker.neighbors[0], admin_up=False)
    plan = replace(GATEWAY.speaker, neighbors=(off, *GATEWAY.speaker.neighbors[1:]))
    assert [n.name for n in speaker_now(plan, frozenset()).neighbors] == ["hq-1"]


def path(interface, next_hop):
    return Path("-", interface, IPv4Address(next_hop), (65010,))


def test_bgp_routes_lead_over_carrying_tunnels_alone():
    both = {PREFIX: (path("xfrm1", "169.254.10.1"), path("xfrm2", "169.254.10.5"))}
    assert bgp_routes(both, frozenset({"xfrm1", "xfrm2"})) == {
        PREFIX: (NextHop("xfrm1", IPv4Address("169.254.10.1")), NextHop("xfrm2", IPv4Address("169.254.10.5")))
    }
    assert bgp_routes(both, frozenset({"xfrm2"})) == {PREFIX: (NextHop("xfrm2", IPv4Address("169.254.10.5")),)}
    assert bgp_routes(both, frozenset()) == {}


def test_a_planned_route_over_a_tunnel_counts_while_the_tunnel_carries():
    over_tunnels = RoutePlan(PREFIX, (NextHop("xfrm1"), NextHop("xfrm2")))
    over_a_port = RoutePlan(IPv4Network("10.0.1.0/24"), (NextHop("vpc1"),))
    plans = (over_tunnels, over_a_port)
    assert static_routes(plans, TUNNELS, frozenset({"xfrm1"})) == {
        PREFIX: (NextHop("xfrm1"),),
        over_a_port.destination: (NextHop("vpc1"),),
    }
    assert static_routes(plans, TUNNELS, frozenset()) == {over_a_port.destination: (NextHop("vpc1"),)}

"""A node's routes: compared with the kernel's, or with what the kernel had when all went well."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from test_node_forwarding import BOTH, GATEWAY, HOPS, IDC, LEARNED, TO_VPC, VPC, path, with_static

from endpoint.errors import EndpointError
from endpoint.routes import BGP, STATIC, RouteChanges, difference
from lab.cloud.routing import NextHopType, Route, RouteType
from lab.node import kernel_routes
from lab.node.kernel_routes import KernelRoutes
from lab.plan.report import InstalledRoute


class Kernel:
    """A table for each origin; counts how often it was read, and refuses what it is told to."""

    def __init__(self):
        self.tables = {STATIC: {}, BGP: {}}
        self.refuses = set()
        self.reads = []

    def set_routes(self, wanted, origin, known):
        table = self.tables[origin]
        if known is None:
            self.reads.append(origin)
        added, replaced, removed = difference(wanted, table if known is None else known)
        failed = {prefix: "Network is unreachable" for prefix in added if prefix in self.refuses}
        for prefix in removed:
            del table[prefix]
        table.update({prefix: wanted[prefix] for prefix in (*added, *replaced) if prefix not in failed})
        return RouteChanges(added, replaced, removed, failed, dict(table))


@pytest.fixture
def kernel(monkeypatch):
    kernel = Kernel()
    monkeypatch.setattr(kernel_routes, "set_routes", kernel.set_routes)
    return kernel


def made(routes, *, look):
    for origin in routes.order:
        routes.make(origin, look=look)
    return {route.destination: route.next_hops for route in routes.installed()}


def test_what_is_learned_is_installed_and_reading_the_table_again_can_be_left_out(kernel):
    routes = KernelRoutes()
    routes.want(GATEWAY, {}, {}, BOTH)
    assert made(routes, look=True) == {VPC: TO_VPC}
    routes.want(GATEWAY, LEARNED, {}, BOTH)
    assert made(routes, look=False) == {VPC: TO_VPC, IDC: (HOPS["hq-1"], HOPS["hq-2"])}
    assert kernel.reads == [STATIC, BGP]
    assert kernel.tables[BGP] == {IDC: (HOPS["hq-1"], HOPS["hq-2"])}


def test_the_first_time_and_after_a_refusal_the_kernel_is_asked_in_any_case(kernel):
    routes = KernelRoutes()
    routes.want(GATEWAY, LEARNED, {}, BOTH)
    kernel.refuses = {IDC}
    routes.make("static", look=False)
    with pytest.raises(EndpointError, match=r"1 routes not installed: .* \(Network is unreachable\)"):
        routes.make("bgp", look=False)
    assert routes.installed() == (InstalledRoute(VPC, TO_VPC, "static"),)
    kernel.refuses = set()
    routes.make("bgp", look=False)
    assert kernel.reads == [STATIC, BGP, BGP]
    assert kernel.tables[BGP].keys() == {IDC}


def test_what_somebody_else_changed_is_mended_by_a_look(kernel):
    routes = KernelRoutes()
    routes.want(GATEWAY, LEARNED, {}, BOTH)
    made(routes, look=True)
    kernel.tables[BGP] = {IPv4Network("198.18.0.0/15"): (HOPS["hq-1"],)}
    made(routes, look=True)
    assert kernel.tables[BGP].keys() == {IDC}


def test_the_route_that_takes_over_is_there_before_the_other_goes(kernel):
    static = with_static(Route(IDC, NextHopType.VPN_CONNECTION, "hq", RouteType.STATIC))
    routes = KernelRoutes()
    routes.want(static, {IDC: (path("hq-1"),)}, {}, BOTH)
    assert routes.order == ("static", "bgp")
    made(routes, look=True)
    routes.want(with_static(), {IDC: (path("hq-1"),)}, {}, BOTH)
    assert routes.order == ("bgp", "static")
    assert kernel.tables[STATIC].keys() == {VPC, IDC}

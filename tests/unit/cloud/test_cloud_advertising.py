"""No transit between VPN connections: neither announced nor forwarded."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import product

import pytest

from lab.cloud.advertising import advertised_to, on_premises_interfaces, passes
from lab.cloud.routing import NextHopType, Route, RouteType, valid_table

VPC, LINE, VPN = NextHopType


def route(text: str, kind: NextHopType, name: str, route_type: RouteType, via: str = "") -> Route:
    return Route(IPv4Network(text), kind, name, route_type, via, 1 if route_type is RouteType.EBGP else 0)


UP = {"hq": ("hq-1", "hq-2"), "branch": ("branch-1",)}
APP, DB = "10.0.1.0/24", "10.1.1.0/24"
HQ, BRANCH, DC, MANUAL = "172.16.1.0/24", "172.17.1.0/24", "172.18.1.0/24", "172.19.1.0/24"
VALID = valid_table(
    [route(MANUAL, VPN, "branch", RouteType.STATIC)],
    [
        route(APP, VPC, "app", RouteType.PROPAGATED),
        route(DB, VPC, "db", RouteType.PROPAGATED),
        route(HQ, VPN, "hq", RouteType.EBGP, "hq-1"),
        route(HQ, VPN, "hq", RouteType.EBGP, "hq-2"),
        route(BRANCH, VPN, "branch", RouteType.EBGP, "branch-1"),
        route(DC, LINE, "line", RouteType.EBGP),
    ],
    UP,
)


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        (VPN, "hq", {APP, DB}),
        (VPN, "branch", {APP, DB}),
        (LINE, "line", {APP, DB}),
        (VPC, "app", {DB, HQ, BRANCH, DC, MANUAL}),
        (VPC, "db", {APP, HQ, BRANCH, DC, MANUAL}),
        (VPC, "none", {APP, DB, HQ, BRANCH, DC, MANUAL}),
    ],
)
def test_each_neighbor_is_told_what_it_may_reach(kind: NextHopType, name: str, told: set[str]) -> None:
    assert set(map(str, advertised_to(kind, name, VALID))) == told


def test_a_vpc_named_like_a_connection_is_not_taken_for_it() -> None:
    valid = valid_table([], [route(APP, VPC, "hq", RouteType.PROPAGATED)], {})
    assert list(map(str, advertised_to(VPN, "hq", valid))) == [APP]


def test_what_a_static_route_draws_into_a_vpc_is_announced_too() -> None:
    valid = valid_table([route("10.9.0.0/16", VPC, "app", RouteType.STATIC)], [], {})
    assert list(map(str, advertised_to(VPN, "hq", valid))) == ["10.9.0.0/16"]


def test_an_invalid_vpc_route_is_announced_to_nobody() -> None:
    table = [route("10.0.0.0/16", VPC, "a", RouteType.PROPAGATED), route(APP, VPC, "b", RouteType.PROPAGATED)]
    valid = valid_table([], table, {})
    assert list(map(str, advertised_to(VPN, "hq", valid))) == ["10.0.0.0/16"]
    assert advertised_to(VPC, "a", valid) == ()


def test_only_vpc_to_on_premises_and_vpc_to_vpc_pass() -> None:
    passing = {(one, other) for one, other in product(NextHopType, repeat=2) if passes(one, other)}
    assert passing == {(VPC, VPC), (VPC, LINE), (VPC, VPN), (LINE, VPC), (VPN, VPC)}


def test_a_node_is_given_the_interfaces_between_which_it_drops() -> None:
    kinds = {"vpc1": VPC, "vpc2": VPC, "xfrm1": VPN, "xfrm2": VPN, "line1": LINE}
    on_premises = on_premises_interfaces(kinds)
    assert on_premises == {"xfrm1", "xfrm2", "line1"}
    for one, other in product(kinds, repeat=2):
        is_dropped = one in on_premises and other in on_premises
        assert is_dropped != passes(kinds[one], kinds[other])

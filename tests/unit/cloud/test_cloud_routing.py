"""The five rules, overlap between VPCs and static routes over tunnels."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cloud.routing import (
    NextHopType,
    Route,
    RouteType,
    UpTunnels,
    best_of,
    longest_prefix,
    overlapped,
    propagated_table,
    valid_table,
    ways_of,
)

VPC, LINE, VPN = NextHopType
STATIC, PROPAGATED, EBGP, IBGP = RouteType
ALL_UP: UpTunnels = {"hq": ("hq-1", "hq-2"), "b": ("b-1",)}


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


def subnet(text: str, vpc: str) -> Route:
    return Route(net(text), VPC, vpc, PROPAGATED)


def bgp(text: str, tunnel: str, metric: int = 1) -> Route:
    return Route(net(text), VPN, tunnel.rpartition("-")[0], EBGP, tunnel, metric)


def static(text: str, kind: NextHopType, next_hop: str) -> Route:
    return Route(net(text), kind, next_hop, STATIC)


def ways(routes: tuple[Route, ...]) -> list[str]:
    return [route.via or route.next_hop for route in routes]


def test_the_values_are_the_cloud_s() -> None:
    assert [(kind.name, kind.value) for kind in NextHopType] == [
        ("VPC_ATTACHMENT", 100),
        ("PRIVATE_VIRTUAL_INTERFACE", 120),
        ("VPN_CONNECTION", 140),
    ]
    assert [kind.value for kind in RouteType] == [100, 120, 150, 200]


D = net("172.16.1.0/24")

RULES = {
    "2: VPC before direct connect": (
        [Route(D, VPC, "app", PROPAGATED), Route(D, LINE, "line", EBGP)],
        ["app"],
    ),
    "2: direct connect before VPN": (
        [Route(D, LINE, "line", EBGP, metric=9), Route(D, VPN, "hq", EBGP, "hq-1", 1)],
        ["line"],
    ),
    "2: next-hop type goes before route type": (
        [Route(D, LINE, "line", IBGP, metric=9), Route(D, VPN, "hq", STATIC)],
        ["line"],
    ),
    "3: static before BGP": ([Route(D, VPN, "b", STATIC), bgp(str(D), "hq-1")], ["b-1"]),
    "3: static before propagated": ([Route(D, VPC, "app", PROPAGATED), Route(D, VPC, "db", STATIC)], ["db"]),
    "3: eBGP before iBGP": (
        [Route(D, VPN, "b", EBGP, "b-1", 5), Route(D, VPN, "hq", IBGP, "hq-1", 1)],
        ["b-1"],
    ),
    "4: the shorter AS_PATH": ([bgp(str(D), "hq-1", 2), bgp(str(D), "hq-2", 1)], ["hq-2"]),
    "5: equal ones together": ([bgp(str(D), "hq-2"), bgp(str(D), "hq-1"), bgp(str(D), "b-1")], ["b-1", "hq-1", "hq-2"]),
    "5: the same twice is one": ([bgp(str(D), "hq-2"), bgp(str(D), "hq-2")], ["hq-2"]),
}


@pytest.mark.parametrize(("routes", "used"), RULES.values(), ids=RULES)
@pytest.mark.parametrize("turn", [1, -1])
def test_rule(routes: list[Route], used: list[str], turn: int) -> None:
    given_static = [route for route in routes if route.route_type is STATIC]
    given_propagated = [route for route in routes if route.route_type is not STATIC]
    table = valid_table(given_static[::turn], given_propagated[::turn], ALL_UP)
    assert list(table) == [D]
    assert ways(table[D]) == used


def test_rule_1_the_longest_prefix_forwards_whatever_the_next_hop() -> None:
    table = valid_table(
        [static("0.0.0.0/0", VPN, "hq")], [subnet("10.0.0.0/16", "app"), bgp("10.0.1.0/24", "b-1", 7)], ALL_UP
    )
    assert [ways(longest_prefix(table, IPv4Address(at)) or ()) for at in ("10.0.1.9", "10.0.2.9", "8.8.8.8")] == [
        ["b-1"],
        ["app"],
        ["hq-1", "hq-2"],
    ]
    assert longest_prefix({}, IPv4Address("10.0.0.1")) is None


def test_a_static_route_uses_the_tunnels_that_are_up() -> None:
    route = static("172.16.0.0/12", VPN, "hq")
    assert ways(ways_of(route, {"hq": ("hq-1", "hq-2")})) == ["hq-1", "hq-2"]
    assert ways(ways_of(route, {"hq": ("hq-2",)})) == ["hq-2"]
    assert ways_of(route, {"hq": (), "b": ("b-1",)}) == ()
    assert ways_of(route, {}) == ()


def test_a_static_route_whose_tunnels_are_all_down_leaves_the_field_to_others() -> None:
    routes = [static("172.16.1.0/24", VPN, "hq")]
    learned = [bgp("172.16.1.0/24", "b-1")]
    assert ways(valid_table(routes, learned, ALL_UP)[D]) == ["hq-1", "hq-2"]
    assert ways(valid_table(routes, learned, {"hq": (), "b": ("b-1",)})[D]) == ["b-1"]
    assert ways(valid_table(routes, learned, ALL_UP)[D]) == ["hq-1", "hq-2"]


def test_a_learned_route_is_valid_only_while_its_tunnel_is_up() -> None:
    assert valid_table([], [bgp("172.16.1.0/24", "hq-1")], {"hq": ("hq-2",)}) == {}


def test_a_vpc_and_a_line_need_no_tunnel() -> None:
    line = Route(D, LINE, "hq", EBGP, metric=1)
    assert valid_table([], [line], {}) == {D: (line,)}


def test_the_first_vpc_to_propagate_is_valid_and_the_second_comes_back_when_it_goes() -> None:
    a, b = subnet("10.0.0.0/16", "a"), subnet("10.0.1.0/24", "b")
    table = propagated_table((), [a])
    assert set(valid_table([], table, {})) == {a.destination}
    table = propagated_table(table, [b, a])
    assert table == (a, b)
    assert set(valid_table([], table, {})) == {a.destination}
    assert overlapped(table) == {b: a}
    table = propagated_table(table, [b])
    assert set(valid_table([], table, {})) == {b.destination}
    table = propagated_table(table, [a, b])
    assert set(valid_table([], table, {})) == {b.destination}
    assert overlapped(table) == {a: b}


@pytest.mark.parametrize(
    ("first", "second", "both_valid"),
    [
        ("10.0.0.0/16", "10.0.1.0/24", False),
        ("10.0.1.0/24", "10.0.0.0/16", False),
        ("10.0.1.0/24", "10.0.1.0/24", False),
        ("10.0.1.0/24", "10.0.2.0/24", True),
        ("10.0.1.0/25", "10.0.1.128/25", True),
    ],
)
def test_overlap_counts_and_not_only_equality(first: str, second: str, both_valid: bool) -> None:
    table = (subnet(first, "a"), subnet(second, "b"))
    routes = {route for routes in valid_table([], table, {}).values() for route in routes}
    assert routes == (set(table) if both_valid else {table[0]})


def test_subnets_of_one_vpc_keep_none_of_its_own_out() -> None:
    table = (subnet("10.0.0.0/16", "a"), subnet("10.0.1.0/24", "a"))
    assert overlapped(table) == {}


def test_what_bgp_brought_keeps_no_vpc_out_nor_a_vpc_bgp() -> None:
    table = (bgp("10.0.0.0/16", "hq-1"), subnet("10.0.1.0/24", "a"), bgp("10.0.1.0/25", "hq-1"))
    assert set(valid_table([], table, ALL_UP)) == {route.destination for route in table}


def test_a_static_route_to_a_vpc_stands_beside_the_overlap() -> None:
    table = (subnet("10.0.0.0/16", "a"), subnet("10.0.1.0/24", "b"))
    valid = valid_table([static("10.0.1.0/24", VPC, "b")], table, {})
    assert ways(valid[net("10.0.1.0/24")]) == ["b"]
    assert valid[net("10.0.1.0/24")][0].route_type is STATIC


def test_a_route_keeps_its_place_when_its_path_changes_and_loses_it_when_it_goes() -> None:
    a, b = bgp("10.0.0.0/16", "hq-1", 1), bgp("10.0.0.0/16", "hq-2", 1)
    table = propagated_table((), [a, b])
    longer = replace(a, metric=3)
    assert propagated_table(table, [b, longer]) == (longer, b)
    assert propagated_table(propagated_table(table, [b]), [a, b]) == (b, a)


# Against a naive reference.

NETWORKS = st.builds(
    lambda bits, length: IPv4Network(((10 << 24) | (bits << 16), length), strict=False),
    st.integers(0, 255),
    st.integers(8, 16),
)
UP = st.fixed_dictionaries({"a": st.sets(st.sampled_from(["a-1", "a-2"])), "b": st.sets(st.sampled_from(["b-1"]))})


@st.composite
def learned(draw: st.DrawFn) -> Route:
    kind = draw(st.sampled_from(list(NextHopType)))
    name = draw(st.sampled_from(["a", "b"]))
    if kind is VPC:
        return Route(draw(NETWORKS), kind, name, PROPAGATED)
    via = draw(st.sampled_from(["a-1", "a-2"] if name == "a" else ["b-1"])) if kind is VPN else ""
    return Route(draw(NETWORKS), kind, name, draw(st.sampled_from([EBGP, IBGP])), via, draw(st.integers(1, 3)))


WRITTEN = st.builds(Route, NETWORKS, st.sampled_from(list(NextHopType)), st.sampled_from(["a", "b"]), st.just(STATIC))


def naive_valid(statics: list[Route], table: list[Route], up: dict[str, set[str]]) -> set[Route]:
    """Word by word: every route against every other one, by numbers."""
    candidates = []
    for place, route in enumerate(table):
        earlier = table[:place] if route.next_hop_type == 100 else []
        others = [other for other in earlier if other.next_hop_type == 100 and other.next_hop != route.next_hop]
        if not any(other.destination.overlaps(route.destination) for other in others):
            candidates.append(route)
    for route in statics:
        if route.next_hop_type == 140:
            candidates += [replace(route, via=tunnel) for tunnel in up[route.next_hop]]
        else:
            candidates.append(route)
    candidates = [c for c in candidates if c.next_hop_type != 140 or c.via in up[c.next_hop]]

    def beats(one: Route, other: Route) -> bool:
        left = (one.next_hop_type.value, one.route_type.value, one.metric)
        return one.destination == other.destination and left < (
            other.next_hop_type.value,
            other.route_type.value,
            other.metric,
        )

    return {route for route in candidates if not any(beats(other, route) for other in candidates)}


@settings(max_examples=150, deadline=None)
@given(st.lists(WRITTEN, max_size=6), st.lists(learned(), max_size=12, unique=True), UP)
def test_the_valid_table_is_what_the_rules_say_word_by_word(
    statics: list[Route], table: list[Route], up: dict[str, set[str]]
) -> None:
    valid = valid_table(statics, table, up)
    assert {route for routes in valid.values() for route in routes} == naive_valid(statics, table, up)
    assert all(route.destination == destination for destination, routes in valid.items() for route in routes)
    assert all(len(set(routes)) == len(routes) > 0 for routes in valid.values())


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NETWORKS, st.integers(), max_size=12), st.integers(0, 255))
def test_the_longest_prefix_is_the_longest_of_all_that_hold_the_address(
    table: dict[IPv4Network, int], octet: int
) -> None:
    address = IPv4Address((10 << 24) | (octet << 16) | 1)
    holding = [network for network in table if address in network]
    wanted = table[max(holding, key=lambda network: network.prefixlen)] if holding else None
    assert longest_prefix(table, address) == wanted


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(learned(), max_size=6, unique=True), max_size=6))
def test_the_propagated_table_holds_what_is_present_in_order_of_arrival(changes: list[list[Route]]) -> None:
    table: tuple[Route, ...] = ()
    since: dict[tuple[object, ...], int] = {}
    for moment, present in enumerate(changes):
        table = propagated_table(table, present)

        def identity(route: Route) -> tuple[object, ...]:
            return (route.destination, route.next_hop_type, route.next_hop, route.via)

        here = {identity(route) for route in present}
        since = {key: since.get(key, moment) for key in here}
        assert {identity(route) for route in table} == here
        assert set(table) <= set(present)
        arrivals = [since[identity(route)] for route in table]
        assert arrivals == sorted(arrivals)


@settings(max_examples=100, deadline=None)
@given(st.lists(learned(), max_size=10, unique=True), st.data())
def test_a_vpc_that_goes_makes_no_other_vpc_s_route_invalid(table: list[Route], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(["a", "b"]))
    before = set(table) - set(overlapped(table))
    rest = [route for route in table if not (route.next_hop_type is VPC and route.next_hop == gone)]
    assert before & set(rest) <= set(rest) - set(overlapped(rest))


def test_thirty_thousand_routes_over_two_tunnels_are_ecmp() -> None:
    table = [
        bgp(f"{11 + (n >> 16)}.{(n >> 8) & 255}.{n & 255}.0/24", t) for t in ("hq-1", "hq-2") for n in range(30_000)
    ]
    valid = valid_table([], propagated_table((), table), ALL_UP)
    assert len(valid) == 30_000
    assert all(len(routes) == 2 for routes in valid.values())


def test_the_best_of_one_is_that_one() -> None:
    assert best_of([bgp("10.0.0.0/8", "hq-1")]) == (bgp("10.0.0.0/8", "hq-1"),)

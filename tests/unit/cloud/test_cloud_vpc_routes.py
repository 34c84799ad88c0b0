"""VPC route tables: priorities, the bound of propagation, ECMP."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cloud.routing import longest_prefix
from lab.cloud.vpc_routes import EVERYTHING, RoutePropagation, StaticRule, VpcRoute, forwarding_routes, vpc_routes

LAN = IPv4Network("172.16.1.0/24")
OFFERED = {"bgw1": (LAN, IPv4Network("172.17.0.0/16")), "bgw2": (LAN,)}


def used(rules: list[StaticRule], propagations: list[RoutePropagation], to: IPv4Network = LAN) -> list[str]:
    table = forwarding_routes(vpc_routes(rules, propagations, OFFERED))
    return [route.next_hop for route in table.get(to, ())]


def test_defaults_are_the_cloud_s() -> None:
    assert StaticRule(LAN, "bgw1").priority == 100
    assert RoutePropagation("bgw1") == RoutePropagation("bgw1", (IPv4Network("0.0.0.0/0"),), 150)


@pytest.mark.parametrize("priority", [1, 100, 255])
def test_a_static_rule_takes_priorities_1_to_255(priority: int) -> None:
    assert StaticRule(LAN, "bgw1", priority).priority == priority


@pytest.mark.parametrize("priority", [0, 256, -1])
def test_a_static_rule_takes_no_other_priority(priority: int) -> None:
    with pytest.raises(ValueError, match="1-255"):
        StaticRule(LAN, "bgw1", priority)


@pytest.mark.parametrize("priority", [101, 150, 255])
def test_a_propagation_takes_priorities_101_to_255(priority: int) -> None:
    assert RoutePropagation("bgw1", EVERYTHING, priority).priority == priority


@pytest.mark.parametrize("priority", [100, 256, 1])
def test_a_propagation_takes_no_other_priority(priority: int) -> None:
    with pytest.raises(ValueError, match="101-255"):
        RoutePropagation("bgw1", EVERYTHING, priority)


@pytest.mark.parametrize(
    ("cidrs", "taken"),
    [
        (["0.0.0.0/0"], {"172.16.1.0/24", "172.17.0.0/16"}),
        (["172.16.0.0/12"], {"172.16.1.0/24", "172.17.0.0/16"}),
        (["172.16.1.0/24"], {"172.16.1.0/24"}),
        (["172.17.1.0/24"], set()),
        (["172.17.0.0/16", "172.16.0.0/16"], {"172.16.1.0/24", "172.17.0.0/16"}),
        (["192.168.0.0/16"], set()),
        ([], set()),
    ],
)
def test_the_cidrs_bound_what_is_taken(cidrs: list[str], taken: set[str]) -> None:
    entry = RoutePropagation("bgw1", tuple(map(IPv4Network, cidrs)))
    assert {str(route.destination) for route in vpc_routes([], [entry], OFFERED)} == taken


def test_nothing_is_taken_without_an_entry_nor_from_a_gateway_that_offers_nothing() -> None:
    assert vpc_routes([], [], OFFERED) == ()
    assert vpc_routes([], [RoutePropagation("bgw9")], OFFERED) == ()


def test_the_lower_priority_wins_and_equal_ones_are_ecmp() -> None:
    both = [RoutePropagation("bgw1"), RoutePropagation("bgw2")]
    assert used([], both) == ["bgw1", "bgw2"]
    assert used([], [RoutePropagation("bgw1"), RoutePropagation("bgw2", EVERYTHING, 149)]) == ["bgw2"]
    assert used([StaticRule(LAN, "bgw2")], both) == ["bgw2"]
    assert used([StaticRule(LAN, "bgw2", 151)], both) == ["bgw1", "bgw2"]
    assert used([StaticRule(LAN, "bgw2", 200)], [RoutePropagation("bgw1")]) == ["bgw1"]
    assert used([StaticRule(LAN, "bgw2", 150)], [RoutePropagation("bgw1")]) == ["bgw1", "bgw2"]


def test_one_next_hop_with_two_priorities_counts_with_the_lower_and_once() -> None:
    assert used([StaticRule(LAN, "bgw1", 150)], [RoutePropagation("bgw1")]) == ["bgw1"]
    assert used([StaticRule(LAN, "bgw1", 10)], [RoutePropagation("bgw1"), RoutePropagation("bgw2")]) == ["bgw1"]


def test_the_longest_prefix_goes_before_the_priority() -> None:
    rules = [StaticRule(IPv4Network("172.16.0.0/12"), "bgw2", 1)]
    table = forwarding_routes(vpc_routes(rules, [RoutePropagation("bgw1", EVERYTHING, 255)], OFFERED))
    (route,) = longest_prefix(table, IPv4Address("172.16.1.9")) or ()
    assert route == VpcRoute(LAN, "bgw1", 255, "propagated")
    (route,) = longest_prefix(table, IPv4Address("172.31.0.1")) or ()
    assert route == VpcRoute(IPv4Network("172.16.0.0/12"), "bgw2", 1, "static")


DESTINATIONS = st.sampled_from([IPv4Network(text) for text in ("10.0.0.0/8", "10.1.0.0/16", "172.16.0.0/12")])
GATEWAYS = st.sampled_from(["a", "b", "c"])
RULES = st.lists(st.builds(StaticRule, DESTINATIONS, GATEWAYS, st.integers(99, 103)), max_size=5)
ENTRIES = st.lists(
    st.builds(RoutePropagation, GATEWAYS, st.lists(DESTINATIONS, max_size=2).map(tuple), st.integers(101, 103)),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(RULES, ENTRIES, st.dictionaries(GATEWAYS, st.lists(DESTINATIONS, max_size=3)))
def test_the_table_is_what_comparing_every_route_with_every_other_gives(
    rules: list[StaticRule], entries: list[RoutePropagation], offered: dict[str, list[IPv4Network]]
) -> None:
    every = [(rule.destination, rule.next_hop, rule.priority) for rule in rules]
    for entry in entries:
        every += [
            (destination, entry.border_gateway, entry.priority)
            for destination in offered.get(entry.border_gateway, [])
            if any(destination == cidr or cidr.supernet_of(destination) for cidr in entry.cidrs)
        ]
    wanted = {
        (to, hop, priority)
        for to, hop, priority in every
        if not any(other == to and lower < priority for other, _, lower in every)
    }
    table = forwarding_routes(vpc_routes(rules, entries, offered))
    found = [(to, route.next_hop, route.priority) for to, routes in table.items() for route in routes]
    assert sorted(map(str, found)) == sorted(map(str, wanted))

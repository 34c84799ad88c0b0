"""What nft(8) is told about a node: all tables, each replaced as a whole or removed."""

from __future__ import annotations

from ipaddress import IPv4Address

from endpoint import metering, mss, nat
from endpoint.filters import Filters, ruleset
from endpoint.metering import Pair
from endpoint.plan import NatPlan

TABLES = ("inet vpnlab_transit", "ip vpnlab_mss", "ip vpnlab_nat", "ip vpnlab_meter")
PUBLIC, PRIVATE = IPv4Address("192.0.2.10"), IPv4Address("192.168.1.2")


def test_what_is_not_wanted_is_removed():
    assert ruleset(Filters()) == "".join(f"table {table}\ndelete table {table}\n" for table in TABLES)


def test_a_table_is_replaced_as_a_whole():
    assert mss.ruleset(clamps=True).splitlines()[:4] == [
        "table ip vpnlab_mss",
        "delete table ip vpnlab_mss",
        "table ip vpnlab_mss {",
        "  chain forward {",
    ]


def test_a_router_forwards_only_the_ports_that_it_is_told_to():
    forwarding = 'iifname "wan1" ip daddr 192.0.2.10 udp dport { 500, 4500 } dnat to 192.168.1.2'
    assert forwarding in nat.ruleset([NatPlan("wan1", PUBLIC, PRIVATE, forwards_ike=True)])
    without = nat.ruleset([NatPlan("wan1", PUBLIC, PRIVATE, forwards_ike=False)])
    assert "dnat to" not in without
    assert 'oifname "wan1" masquerade' in without


PAIR = Pair(IPv4Address("203.0.113.10"), PUBLIC)


def test_the_counters_of_a_tunnel_that_stays_go_on_and_those_of_one_that_went_go():
    lines = metering.ruleset({"hq-1": PAIR}, ["hq-1/in", "hq-1/out", "hq-2/in", "hq-2/out"]).splitlines()
    assert lines[:5] == [
        "table ip vpnlab_meter",
        "flush table ip vpnlab_meter",
        "delete counter ip vpnlab_meter hq-2/in",
        "delete counter ip vpnlab_meter hq-2/out",
        "table ip vpnlab_meter {",
    ]


def test_each_direction_of_a_tunnel_is_counted_by_its_addresses_in_esp_and_in_udp():
    text = metering.ruleset({"hq-1": PAIR})
    assert text.count('192.0.2.10 . 203.0.113.10 : "hq-1/in"') == 2
    assert text.count('203.0.113.10 . 192.0.2.10 : "hq-1/out"') == 2

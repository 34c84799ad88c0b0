"""What a router is told to lose and to delay."""

from __future__ import annotations

from lab.node.impairing import netem_words, ruleset
from lab.plan.impairments import Drop, Netem


def test_the_table_is_replaced_as_a_whole_and_nothing_is_left_without_drops() -> None:
    assert ruleset(()) == "table inet vpnlab_impairments\ndelete table inet vpnlab_impairments\n"
    assert ruleset((Drop("net1", "net3"),)).startswith(ruleset(()))


def test_a_black_hole_takes_everything_between_two_interfaces_one_way() -> None:
    assert '    iifname "net1" oifname "net3" counter drop' in ruleset((Drop("net1", "net3"),)).splitlines()


def test_esp_is_told_from_ike_inside_udp_too() -> None:
    rules = [line.strip() for line in ruleset((Drop("net1", "net3", "esp"),)).splitlines() if "counter" in line]
    assert rules == [
        'iifname "net1" oifname "net3" meta l4proto esp counter drop',
        'iifname "net1" oifname "net3" udp sport 4500 @th,64,32 != 0 counter drop',
        'iifname "net1" oifname "net3" udp dport 4500 @th,64,32 != 0 counter drop',
    ]


def test_netem_is_told_of_delay_and_loss_and_of_nothing_that_is_not_wanted() -> None:
    assert list(netem_words(Netem("net1", delay_ms=100, loss_percent=2.5))) == ["delay", "100ms", "loss", "2.5%"]
    assert list(netem_words(Netem("net1", loss_percent=10))) == ["loss", "10%"]

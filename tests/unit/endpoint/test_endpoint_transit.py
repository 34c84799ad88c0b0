"""The ruleset that keeps traffic from passing between interfaces of one group."""

from __future__ import annotations

from endpoint.transit import ruleset


def test_the_table_is_replaced_as_a_whole():
    lines = ruleset(("xfrm2", "xfrm1")).splitlines()
    assert lines[:3] == [
        "table inet vpnlab_transit",
        "delete table inet vpnlab_transit",
        "table inet vpnlab_transit {",
    ]
    assert '    iifname { "xfrm1", "xfrm2" } oifname { "xfrm1", "xfrm2" } counter drop' in lines


def test_without_interfaces_nothing_is_left():
    assert ruleset(()) == "table inet vpnlab_transit\ndelete table inet vpnlab_transit\n"

"""The counters of tunnels beside traffic that is known, and the six rates that are made of them."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from functools import partial

import pytest
from flows import udp_flows
from rekeying import rekey

from lab.cloud.rates import TunnelCounters, TunnelRates, rates_between
from lab.node.agent import LOOK_AGAIN_S
from lab.node.sampling import WINDOW_S

pytestmark = [pytest.mark.lab, pytest.mark.every_substrate, pytest.mark.timeout(600)]

INNER, OUTER = 92, 156
"""Bytes of a packet of the flows, and of its ESP packet: outer header 20, ESP 8, IV 16, padded to 96, ICV 16."""
COUNTERS = (
    "plain_bytes_out",
    "encrypted_bytes_out",
    "encrypted_bytes_in",
    "plain_bytes_in",
    "packets_out",
    "packets_in",
)

RATES = tuple(field.name for field in fields(TunnelRates))


def counted(lab):
    """What both tunnels have carried together, as the border gateway counts it."""
    found = [traffic.latest for traffic in lab.node("bgw1").report.traffic]
    assert len(found) == 2
    return {name: sum(getattr(counters, name) for counters in found) for name in COUNTERS}


def is_rekeyed(tunnel, event):
    return (event.node, event.kind, event.subject) == ("bgw1", "child-rekeyed", tunnel)


def test_what_passes_is_counted_on_both_sides_of_the_encryption_whatever_is_rekeyed(running_lab):
    lab = running_lab
    before, since = counted(lab), lab.last_event()
    with udp_flows(lab, flows=8, rate=200) as losses:
        for tunnel in ("hq-1", "hq-2"):
            rekey(lab, "bgw1", "child", tunnel)
            lab.wait_for_event(partial(is_rekeyed, tunnel), f"new child SA of {tunnel}", since=since)
        assert lab.vpnlab("ping", "-c", "5", "vm1", "hq-host").returncode == 0  # five seconds
    after = counted(lab)
    out, back = losses.sent["cloud"], losses.sent["idc"]
    assert out > 800
    # BGP and the pings come on top.
    assert {name: after[name] - before[name] for name in COUNTERS} == pytest.approx(
        {
            "plain_bytes_out": INNER * out,
            "encrypted_bytes_out": OUTER * out,
            "encrypted_bytes_in": OUTER * back,
            "plain_bytes_in": INNER * back,
            "packets_out": out,
            "packets_in": back,
        },
        rel=0.1,
    )


def test_the_rates_of_status_are_those_of_the_reported_counters(running_lab):
    told = json.loads(running_lab.vpnlab("status", "-f", "json").stdout)
    (reported,) = (node["report"]["traffic"] for node in told["report"]["nodes"] if node["name"] == "bgw1")
    (connection,) = told["vpn_connections"]
    assert {tunnel["name"]: tunnel["rates"] for tunnel in connection["tunnels"]} == {
        each["tunnel"]: asdict(rates_between(TunnelCounters(**each["earlier"]), TunnelCounters(**each["latest"])))
        for each in reported
    }


def test_the_rates_that_are_shown_are_those_of_the_traffic(running_lab):
    lab = running_lab
    window = str(round(WINDOW_S + LOOK_AGAIN_S))
    with udp_flows(lab, flows=8, rate=200) as losses:
        assert lab.vpnlab("ping", "-c", window, "vm1", "hq-host").returncode == 0  # a packet a second over each tunnel
        told = json.loads(lab.vpnlab("status", "-f", "json").stdout)
    (connection,) = told["vpn_connections"]
    shown = {name: sum(tunnel["rates"][name] for tunnel in connection["tunnels"]) for name in RATES}
    out, back = losses.rate["cloud"], losses.rate["idc"]
    assert out > 150
    assert shown == pytest.approx(
        {
            "out_before_encryption_bps": 8 * INNER * out,
            "out_encrypted_bps": 8 * OUTER * out,
            "in_encrypted_bps": 8 * OUTER * back,
            "in_after_decryption_bps": 8 * INNER * back,
            "out_packets_per_s": out,
            "in_packets_per_s": back,
        },
        rel=0.15,
    )


def test_the_table_and_the_view_of_one_tunnel_show_them(running_lab):
    table = running_lab.vpnlab("status").stdout
    assert "OUT PLAIN" in table
    assert table.count("bit/s") == 8
    shown = running_lab.vpnlab("tunnel show", "hq-1").stdout
    for name in ("out before encryption", "out encrypted", "in encrypted", "in after decryption", "packets/s out/in"):
        assert name in shown

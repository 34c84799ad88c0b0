"""The six rates of a tunnel beside traffic that is known."""

from __future__ import annotations

import json

import pytest
from flow_rates import flow

from lab.node.sampling import WINDOW_S

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

BPS = 1_000_000
INNER, OUTER = 1_400, 1_468
"""Bytes of a packet of the flow, and of its ESP packet: outer header 20, ESP 8, IV 16, padded to 1408, ICV 16."""
RATES = ("out_before_encryption_bps", "out_encrypted_bps", "in_encrypted_bps", "in_after_decryption_bps",
         "out_packets_per_s", "in_packets_per_s")  # fmt: skip


def test_the_rates_are_those_of_the_traffic_before_and_after_encryption(running_lab):
    seconds = 1.5 * WINDOW_S + 1
    with flow(running_lab, "udp", "out", bps=BPS, seconds=seconds) as out, \
            flow(running_lab, "udp", "in", bps=BPS, seconds=seconds) as back:  # fmt: skip
        sent, came = out.bps(), back.bps()
        told = json.loads(running_lab.vpnlab("status", "-f", "json").stdout)
    (connection,) = told["vpn_connections"]
    total = {name: sum(tunnel["rates"][name] for tunnel in connection["tunnels"]) for name in RATES}
    bits = 8 * INNER
    assert total == pytest.approx(
        {
            "out_before_encryption_bps": sent,
            "out_encrypted_bps": sent * OUTER / INNER,
            "in_encrypted_bps": came * OUTER / INNER,
            "in_after_decryption_bps": came,
            "out_packets_per_s": sent / bits,
            "in_packets_per_s": came / bits,
        },
        rel=0.1,
    ), total


def test_the_table_and_the_view_of_one_tunnel_show_them(running_lab):
    table = running_lab.vpnlab("status").stdout
    assert "OUT PLAIN" in table
    assert table.count("bit/s") == 8
    shown = running_lab.vpnlab("tunnel show", "hq-1").stdout
    for name in ("out before encryption", "out encrypted", "in encrypted", "in after decryption", "packets/s out/in"):
        assert name in shown

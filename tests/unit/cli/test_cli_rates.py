"""The rates of a tunnel in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lab.cli.rates import bit_rate, rate_columns
from lab.cloud.rates import TunnelCounters, TunnelRates
from lab.plan.codec import from_json, to_json
from lab.plan.report import LabReport, TunnelTraffic

ZERO = TunnelCounters(100.0, 0, 0, 0, 0, 0, 0)
LATER = TunnelCounters(110.0, 125_000, 150_000, 3_000, 2_500, 100, 10)


@pytest.mark.parametrize(
    ("bps", "text"),
    [
        (0, "0 bit/s"),
        (999, "999 bit/s"),
        (1_000, "1.0 kbit/s"),
        (123_456, "123.5 kbit/s"),
        (45_000_000, "45.0 Mbit/s"),
        (1_500_000_000, "1.5 Gbit/s"),
        (25_000_000_000_000, "25000.0 Gbit/s"),
    ],
)
def test_a_bit_rate_is_in_the_unit_that_keeps_it_short(bps, text):
    assert bit_rate(bps) == text


def test_unknown_rates_are_not_shown_as_zero():
    assert rate_columns(None) == ("-",) * 5
    assert rate_columns(TunnelRates(0, 0, 0, 0, 0, 0))[0] == "0 bit/s"


@pytest.fixture
def busy(fake_lab):
    """The lab whose border gateway has counted in the first tunnel, and has just begun in the second."""
    report = from_json(LabReport, fake_lab.answers["report"])
    traffic = (TunnelTraffic("hq-1", ZERO, LATER), TunnelTraffic("hq-2", None, LATER))
    nodes = tuple(
        replace(node, report=replace(node.report, traffic=traffic)) if node.name == "bgw1" else node
        for node in report.nodes
    )
    fake_lab.answers["report"] = to_json(replace(report, nodes=nodes))
    return fake_lab


def test_status_shows_the_rates_of_each_tunnel(busy, vpnlab):  # noqa: ARG001 - the lab that is asked
    rows = vpnlab("status").stdout.splitlines()
    start = next(number for number, row in enumerate(rows) if "OUT PLAIN" in row)
    row = " ".join(rows[start + 1].split())
    assert row == "hq-1 100.0 kbit/s 120.0 kbit/s 2.4 kbit/s 2.0 kbit/s 10.0/1.0"
    assert rows[start + 2].split() == ["hq-2", "-", "-", "-", "-", "-"]
    assert max(map(len, rows)) <= 80


def test_status_in_json_has_all_six_or_null(busy, vpnlab):  # noqa: ARG001 - the lab that is asked
    (connection,) = json.loads(vpnlab("status", "-f", "json").stdout)["vpn_connections"]
    assert [tunnel["rates"] for tunnel in connection["tunnels"]] == [
        {
            "out_before_encryption_bps": 100_000.0,
            "out_encrypted_bps": 120_000.0,
            "in_encrypted_bps": 2_400.0,
            "in_after_decryption_bps": 2_000.0,
            "out_packets_per_s": 10.0,
            "in_packets_per_s": 1.0,
        },
        None,
    ]

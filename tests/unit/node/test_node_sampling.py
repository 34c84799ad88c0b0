"""Which counters a report sets beside those of now, and the rates that come of it."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from endpoint.metering import Count
from endpoint.report import InterfaceReport
from lab.cloud.rates import TunnelCounters, rates_between
from lab.node.sampling import SPACING_S, WINDOW_S, kept, sample, traffic
from lab.plan.compile import compile_plan
from lab.spec.load import reference

TUNNELS = compile_plan(reference()).node("bgw1").endpoint.tunnels
COUNTS = {"hq-1/in": Count(3, 300), "hq-1/out": Count(4, 400), "hq-2/in": Count(0, 0), "hq-2/out": Count(0, 0)}


def port(name, **counters):
    found = {"rx_packets": 0, "rx_bytes": 0, "tx_packets": 0, "tx_bytes": 0} | counters
    return InterfaceReport(name, up=True, mtu=1438, addresses=(IPv4Interface("169.254.10.2/30"),), **found)


def at(seconds, carried=0):
    """A sample in which tunnel hq-1 has carried so many packets of 100 bytes each way, 150 outside."""
    counts = COUNTS | {"hq-1/in": Count(carried, 150 * carried), "hq-1/out": Count(carried, 150 * carried)}
    inside = {"rx_packets": carried, "rx_bytes": 100 * carried, "tx_packets": carried, "tx_bytes": 100 * carried}
    return sample(TUNNELS, counts, [port("xfrm1", **inside), port("xfrm2")], seconds)


def after(*samples):
    """What is kept of samples that come one after the other, and what the last one's report says of hq-1."""
    found = ()
    for one in samples:
        found = kept(found, one, one["hq-1"].at)
    return found, next(told for told in traffic(found, samples[-1]) if told.tunnel == "hq-1")


def test_a_sample_is_of_interfaces_inside_and_counters_outside():
    inside = port("xfrm1", rx_packets=1, rx_bytes=100, tx_packets=2, tx_bytes=200)
    assert sample(TUNNELS, COUNTS, [inside, port("xfrm2")], 7.0)["hq-1"] == TunnelCounters(
        7.0, 200, 400, 300, 100, 2, 1
    )


def test_a_tunnel_without_interface_or_counters_has_no_sample():
    assert set(sample(TUNNELS, COUNTS, [port("xfrm1")], 0.0)) == {"hq-1"}
    assert sample(TUNNELS, {}, [port("xfrm1"), port("xfrm2")], 0.0) == {}


def test_an_agent_that_has_just_begun_knows_no_rate():
    _, told = after(at(100.0))
    assert told.earlier is None


def test_the_next_look_of_a_new_agent_gives_a_rate_since_its_first():
    _, told = after(at(100.0, carried=1000), at(101.0, carried=1010))
    rates = rates_between(told.earlier, told.latest)
    assert (rates.out_packets_per_s, rates.in_after_decryption_bps, rates.in_encrypted_bps) == (10.0, 8_000.0, 12_000.0)


def test_a_rate_is_over_the_window_however_often_the_agent_looks():
    looks = [at(100.0 + step / 2, carried=step) for step in range(200)]
    found, told = after(*looks)
    span = told.latest.at - told.earlier.at
    assert WINDOW_S <= span <= WINDOW_S + SPACING_S
    assert rates_between(told.earlier, told.latest).out_packets_per_s == pytest.approx(2.0)
    assert len(found) <= WINDOW_S / SPACING_S + 2


def test_an_interface_that_was_made_anew_gives_no_negative_rate():
    _, told = after(at(100.0, carried=5000), at(105.0, carried=10))
    rates = rates_between(told.earlier, told.latest)
    assert rates.out_packets_per_s == 2.0


def test_a_tunnel_that_is_new_has_a_rate_since_it_was_seen_first():
    without = {name: counters for name, counters in at(100.0).items() if name == "hq-2"}
    found = kept((), without, 100.0)
    found = kept(found, at(105.0, carried=10), 105.0)
    (told,) = (told for told in traffic(found, at(107.0, carried=30)) if told.tunnel == "hq-1")
    assert told.earlier.at == 105.0
    assert rates_between(told.earlier, told.latest).out_packets_per_s == 10.0


def test_nothing_is_kept_while_there_is_no_tunnel():
    assert kept((), {}, 100.0) == ()

"""The analysis of numbered packets, against one that is slow and plain."""

from __future__ import annotations

from array import array
from ipaddress import IPv4Address
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.plan.probes import ProbeEnd, ProbePlan
from lab.trial.loss import direction_result, flow_result, lateness
from lab.trial.model import LossRun
from lab.trial.notes import NS, Notes

ENDS = (ProbeEnd("vm1", IPv4Address("10.0.1.10")), ProbeEnd("hq-host", IPv4Address("172.16.1.10")))
PORTS = (9100, 9000)
MS = NS // 1000
BEGAN = 1_764_000_000 * NS


def plan(flows=4, rate=1000.0):
    return ProbePlan(ENDS, flows, rate, 64, *PORTS, token=7, quiet_s=1.0)


def noted(sent, arrivals, *, until=10**6, dropped=0, rate=1000.0):
    """Notes of packets sent at these milliseconds (None: skipped) and of (number, millisecond) that came."""
    notes = Notes(rate, grace_ns=NS, began_ns=BEGAN)
    notes.add_sent(array("q", [0 if at is None else BEGAN + at * MS for at in sent]))
    notes.add_arrivals(
        array("I", [number for number, _ in arrivals]),
        array("q", [BEGAN + at * MS for _, at in arrivals]),
        BEGAN + until * MS,
        dropped,
    )
    return notes


def result(notes, begin, end, flows=4):
    return direction_result("cloud", notes, plan(flows), BEGAN + begin * MS, BEGAN + end * MS, [(None, None)] * flows)


# A naive reference: every definition word by word.


def naive(sent, arrivals):
    came = [number for number, _ in arrivals]
    firsts = [number for at, number in enumerate(came) if number not in came[:at]]
    reordered = sum(any(other > number for other in firsts[:at]) for at, number in enumerate(firsts))
    lost = [number not in came for number, _ in sent]
    runs = []
    for is_lost, group in groupby(zip(lost, sent, strict=True), key=lambda pair: pair[0]):
        times = [at for _, (_, at) in group]
        if is_lost:
            runs.append(LossRun(times[0] / NS, times[-1] / NS, len(times)))
    times = sorted(at for _, at in arrivals)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return sum(lost), len(came) - len(set(came)), reordered, max(gaps) / NS if gaps else None, tuple(runs)


@given(st.data())
def test_a_flow_is_counted_as_the_definitions_say(data):
    count = data.draw(st.integers(0, 12))
    sent = [(number, number * 16 * MS) for number in range(count)]
    numbers = data.draw(st.lists(st.integers(0, count - 1), max_size=20)) if count else []
    arrivals = [(number, data.draw(st.integers(0, 400)) * MS) for number in numbers]
    found = flow_result(0, sent, arrivals, PORTS)
    assert (found.lost, found.duplicated, found.reordered, found.longest_gap_s, found.losses) == naive(sent, arrivals)
    assert found.sent == count


def test_packets_belong_to_the_phase_in_which_they_were_sent_whenever_they_come():
    notes = noted(range(100), [(number, number + 30) for number in range(100) if number != 40])
    before, after = result(notes, 0, 50), result(notes, 50, 100)
    assert (before.sent, before.lost, after.sent, after.lost) == (50, 1, 50, 0)
    assert before.median_delay_s == pytest.approx(0.03)


def test_loss_is_told_by_flow_and_its_outage_lasts_from_the_first_packet_to_the_end_of_the_last():
    notes = noted(
        range(100), [(number, number) for number in range(100) if not (20 <= number < 40 and number % 4 == 1)]
    )
    found = result(notes, 0, 100)
    assert [flow.lost for flow in found.flows] == [0, 5, 0, 0]
    assert found.flows[1].losses == (LossRun((BEGAN + 21 * MS) / NS, (BEGAN + 37 * MS) / NS, 5),)
    assert found.outage_s == pytest.approx(0.017, abs=1e-6)
    assert (found.flows[1].source_port, found.flows[1].destination_port) == (9101, 9000)


def test_without_loss_there_is_no_outage_and_no_time_of_one():
    found = result(noted(range(10), [(number, number) for number in range(10)]), 0, 10)
    assert (found.outage_s, found.first_lost_at, found.last_lost_at, found.lateness.refusal) == (0.0, None, None, None)


def test_a_packet_that_was_skipped_is_not_lost_and_counts_as_the_prober_s_lateness():
    sent = [*range(10), *[None] * 10, *range(20, 400)]
    notes = noted(sent, [(number, at) for number, at in enumerate(sent) if at is not None])
    found = result(notes, 0, 400)
    assert (found.sent, found.lost, found.lateness.skipped) == (390, 0, 10)
    assert found.lateness.longest_silence_s == pytest.approx(0.011)
    assert found.lateness.refusal is None


def test_a_packet_that_was_skipped_belongs_to_no_time_at_all():
    notes = noted([0, None, 2], [(0, 0), (2, 2)])
    found = direction_result("cloud", notes, plan(1), 0, 2 * BEGAN, [(None, None)])
    assert (found.sent, found.lost, found.outage_s) == (2, 0, 0.0)


def test_a_prober_that_was_silent_for_long_refuses():
    sent = [*range(1000), *[None] * 300, *range(1300, 10000)]
    late = lateness(noted(sent, []), BEGAN, BEGAN + 10 * NS)
    assert late.longest_silence_s == pytest.approx(0.301)
    assert "sent nothing for 301 ms" in late.refusal


def test_a_prober_that_sent_much_less_than_planned_refuses():
    sent = [at if at % 10 else None for at in range(1000)]
    late = lateness(noted(sent, []), BEGAN, BEGAN + NS)
    assert late.rate == pytest.approx(900)
    assert "sent 900 of 1000 packets" in late.refusal


def test_a_queue_that_had_no_room_makes_the_loss_unbelievable():
    notes = noted(range(100), [])
    notes.add_arrivals(array("I"), array("q"), BEGAN + 10**6 * MS + 1, 3)
    assert lateness(notes, BEGAN, BEGAN + 100 * MS).dropped == 0
    assert "3 packets came" in lateness(notes, BEGAN, BEGAN + 10**6 * MS + 1).refusal


def test_lateness_is_by_how_much_the_latest_packet_left_after_its_time():
    notes = noted([0, 1, 9, 9, 9, 9, 9, 9, 9, 9], [])
    assert lateness(notes, BEGAN, BEGAN + 10 * MS).worst_s == pytest.approx(0.007)

"""What the receiver of a TCP flow felt."""

from __future__ import annotations

from array import array

import pytest

from lab.trial.notes import NS
from lab.trial.stalls import Stream, tcp_result
from lab.wire.numbers import packed

MS = NS // 1000


def stream(*arrivals):
    heard = Stream(rate=50_000.0)
    heard.hear({
        "tcp_times": packed(array("q", [at * MS for at, _ in arrivals])),
        "tcp_sizes": packed(array("I", [size for _, size in arrivals])),
    })  # fmt: skip
    return heard


def test_the_longest_stall_lies_between_two_arrivals():
    found = tcp_result(stream((0, 1000), (20, 1000), (320, 15000), (340, 1000)), 0, 400 * MS, "hq-1")
    assert (found.longest_stall_s, found.stalled_at) == (pytest.approx(0.3), pytest.approx(0.02))
    assert found.received_bit_s == pytest.approx(8 * 18_000 / 0.4)
    assert (found.offered_bit_s, found.tunnel, found.broken) == (400_000.0, "hq-1", None)


def test_a_flow_that_has_not_come_back_is_stalled_to_the_end():
    found = tcp_result(stream((0, 1000), (20, 1000)), 0, 500 * MS, None)
    assert (found.longest_stall_s, found.stalled_at) == (pytest.approx(0.48), pytest.approx(0.02))


def test_what_comes_in_another_phase_counts_there():
    assert tcp_result(stream((0, 1000), (600, 700)), 500 * MS, 1000 * MS, None).received_bit_s == 8 * 700 / 0.5


def test_the_first_reason_of_a_broken_connection_is_kept():
    heard = stream((0, 1))
    heard.hear({"tcp_broken": "Connection reset by peer"})
    heard.hear({"tcp_broken": "Broken pipe"})
    assert tcp_result(heard, 0, 10 * MS, None).broken == "Connection reset by peer"

"""How much of a bandwidth may be used at once, and how much may wait for it."""

from __future__ import annotations

import pytest

from endpoint.bandwidth import LARGE_PACKET, burst_bytes, queue_packets


@pytest.mark.parametrize(("bps", "burst"), [(1_000_000, 30_000), (1_200_000, 30_000), (10_000_000, 250_000)])
def test_a_fifth_of_a_second_may_pass_at_once_but_twenty_large_packets_always(bps, burst):
    assert burst_bytes(bps) == burst


@pytest.mark.parametrize("bps", [1_000_000, 10_000_000, 1_499_000_000])
def test_what_waits_is_gone_after_a_second_at_the_latest(bps):
    assert queue_packets(bps) >= 64
    assert 8 * LARGE_PACKET * queue_packets(bps) <= bps

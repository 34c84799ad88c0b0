"""The timers that take the place of ExaBGP's."""

from __future__ import annotations

import pytest
from exabgp.bgp.message import Notify

import bgp.daemon  # noqa: F401 - before ExaBGP's own modules
from bgp import timers
from bgp.timers import LONGEST_RETRY_S, Delay, HoldTimer, KeepaliveTimer, interval_of


class Received:
    TYPE = b"\x02"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.9]
    monkeypatch.setattr(timers.time, "monotonic", lambda: now[0])
    return now


def test_a_hold_time_ends_when_it_is_over_and_begins_anew_with_each_message(clock: list[float]) -> None:
    timer = HoldTimer(lambda: "session", 3, 4, 0)
    clock[0] += 2.9
    assert timer.check_ka_timer()
    assert timer.check_ka_timer(Received())
    clock[0] += 2.9
    assert timer.check_ka_timer()
    clock[0] += 0.1
    with pytest.raises(Notify) as ended:
        timer.check_ka_timer()
    assert (ended.value.code, ended.value.subcode) == (4, 0)


def test_a_keepalive_is_due_once_in_each_interval(clock: list[float]) -> None:
    timer = KeepaliveTimer(1.5)
    due = []
    for _ in range(9):
        clock[0] += 0.5
        due.append(timer.need_ka())
    assert due == [False, False, True] * 3


@pytest.mark.parametrize(
    ("hold_time_s", "wanted_s", "interval_s"),
    [(30, None, 10.0), (3, None, 1.0), (30, 4, 4.0), (3, 4, 1.0), (0, None, 0.0), (0, 4, 0.0)],
)
def test_keepalives_keep_the_negotiated_hold_time(hold_time_s: int, wanted_s: int | None, interval_s: float) -> None:
    assert interval_of(hold_time_s, wanted_s) == interval_s


def test_a_refused_connection_is_tried_again_at_once_and_then_at_a_steady_pace(clock: list[float]) -> None:
    delay = Delay()
    assert not delay.backoff()
    delay.increase()
    assert not delay.backoff()
    for _ in range(20):
        delay.increase()
        assert delay.backoff()
        clock[0] += LONGEST_RETRY_S
        assert not delay.backoff()
    delay.increase()
    delay.reset()
    assert not delay.backoff()

"""What is known of packets while they are still on their way."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.trial.notes import NS, Notes

MS = NS // 1000
BEGAN = 1_764_000_000 * NS
GRACE_MS = 100


def at(milliseconds):
    return BEGAN + milliseconds * MS


@pytest.fixture
def notes():
    return Notes(1000.0, GRACE_MS * MS, began_ns=BEGAN)


def send(notes, *times):
    notes.add_sent(array("q", [at(ms) if ms is not None else 0 for ms in times]))


def receive(notes, *numbers, until):
    notes.add_arrivals(array("I", numbers), array("q", [at(until)] * len(numbers)), at(until), 0)


def test_a_packet_is_on_its_way_until_the_receiver_has_looked_a_grace_later(notes):
    send(notes, 0, 1, 2)
    receive(notes, 0, 2, until=GRACE_MS)
    assert notes.settled_until_ns == at(1)
    assert not notes.lost_since(at(0))
    receive(notes, until=GRACE_MS + 2)
    assert notes.settled_until_ns == at(2)
    assert notes.lost_since(at(1))
    assert not notes.lost_since(at(2))


def test_what_comes_before_its_sender_has_told_of_it_is_not_lost(notes):
    receive(notes, 0, 1, until=500)
    send(notes, 0, 1)
    assert notes.settled_until_ns == at(1)
    assert not notes.lost_since(0)


def test_time_without_loss_begins_behind_the_last_packet_lost(notes):
    send(notes, *range(10))
    receive(notes, *(number for number in range(10) if number != 4), until=1000)
    assert notes.lossless_ns(0) == (at(4) + 1, 5 * MS - 1)
    assert notes.lossless_ns(at(7)) == (at(7), 2 * MS)
    assert notes.lossless_ns(at(20)) == (at(20), 0)


def test_a_skipped_packet_is_neither_awaited_nor_lost(notes):
    send(notes, 0, None, 2)
    receive(notes, 0, 2, until=3)
    assert notes.settled_until_ns == at(2)
    assert not notes.lost_since(0)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_what_is_settled_does_not_depend_on_how_the_news_is_cut(arrives, data):
    whole, cut = (Notes(1000.0, GRACE_MS * MS, began_ns=BEGAN) for _ in range(2))
    numbers = [number for number, came in enumerate(arrives) if came]
    send(whole, *range(len(arrives)))
    receive(whole, *numbers, until=1000)
    first_sent, first_came = (data.draw(st.integers(0, len(pieces))) for pieces in (arrives, numbers))
    send(cut, *range(first_sent))
    receive(cut, *numbers[:first_came], until=5)
    send(cut, *range(first_sent, len(arrives)))
    receive(cut, *numbers[first_came:], until=1000)
    assert cut.lossless_ns(0) == whole.lossless_ns(0)
    assert cut.settled_until_ns == whole.settled_until_ns

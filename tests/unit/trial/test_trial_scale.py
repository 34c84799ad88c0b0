"""Marks along the time of a drawing, and figures in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.trial.figures import offset, seconds
from lab.trial.scale import MOST_MARKS, Scale, marks


@given(
    st.floats(1e-3, 1e4), st.floats(-0.9, 0.9), st.floats(0, 2e9),
)  # fmt: skip
def test_marks_are_few_round_in_order_and_inside(span, share, zero):
    scale = Scale(zero + span * share, zero + span * share + span, 0.0, 900.0)
    found = list(marks(scale, zero))
    if scale.end > scale.begin:
        assert 2 <= len(found) <= MOST_MARKS + 1
        assert len({text for _, text in found}) == len(found)
        assert sorted(found) == found


def test_times_outside_lie_on_the_edge():
    scale = Scale(10.0, 20.0, 100.0, 200.0)
    assert [scale.x(at) for at in (0, 10, 15, 20, 99)] == [100, 100, 150, 200, 200]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.00012, "0.1 ms"), (0.0099, "9.9 ms"), (0.00999, "10 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"),
     (2.617, "2.62 s"), (9.996, "10.0 s"), (31.04, "31.0 s"), (120.0, "120 s"), (None, "\N{EN DASH}")],
)  # fmt: skip
def test_a_duration_keeps_the_digits_that_say_something(value, text):
    assert seconds(value) == text


def test_an_offset_has_its_sign():
    assert [offset(value) for value in (-2.0, 0.0, 0.018)] == ["\N{MINUS SIGN}2.00 s", "0 ms", "+18 ms"]

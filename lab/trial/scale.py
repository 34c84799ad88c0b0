"""Time along a line: where a moment stands, and where the marks are. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lab.trial.figures import MINUS

MOST_MARKS = 8
STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Scale:
    """Times from `begin` to `end` lie between `left` and `right`; what is outside is moved to the edge."""

    begin: float
    end: float
    left: float
    right: float

    def x(self, at: float) -> float:
        """Where a time lies."""
        share = (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return self.left + share * (self.right - self.left)

    def covers(self, begin: float, end: float) -> bool:
        """Whether some of a stretch of time can be seen."""
        return begin < self.end and end > self.begin


def marks(scale: Scale, zero: float) -> Iterator[tuple[float, str]]:
    """Round times relative to `zero`, at most MOST_MARKS, each with its text, such as "+20 ms"."""
    span = scale.end - scale.begin
    digits = math.floor(math.log10(span / MOST_MARKS))
    step = next(
        size
        for exponent in (digits, digits + 1)
        for size in (base * 10.0**exponent for base in STEPS)
        if span / size <= MOST_MARKS
    )
    first = math.ceil((scale.begin - zero) / step - 1e-9)
    last = math.floor((scale.end - zero) / step + 1e-9)
    for number in range(first, last + 1):
        yield zero + number * step, _text(number * step, step)


def _text(value: float, step: float) -> str:
    if abs(value) < step / 2:
        return "0"
    sign = "+" if value > 0 else MINUS
    if step >= 1:
        return f"{sign}{abs(value):.0f} s"
    if step >= 0.1:
        return f"{sign}{abs(value):.1f} s"
    return f"{sign}{abs(value) * 1000:.{max(0, -math.floor(math.log10(step)) - 3)}f} ms"

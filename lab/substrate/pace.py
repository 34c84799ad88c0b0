"""How slow this host is at the moment: deadlines are multiplied by it."""

from __future__ import annotations

import functools
import time

REFERENCE_S = 0.010
"""What the loop below takes on the machine on which the base deadlines were chosen."""


@functools.cache
def slowness() -> float:
    """Return how many times slower than the reference this host ran a short loop just now; at least 1."""
    before = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number & 7
    return max(1.0, (time.perf_counter() - before) / REFERENCE_S)


def deadline(base_s: float) -> float:
    """Return the time of `time.monotonic` that is `base_s` away, more on a slow host."""
    return time.monotonic() + base_s * slowness()

"""How long a charon that says nothing is waited for: as long as it works, and not much longer. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient to be, in seconds: between two looks, in idle looks together, and whatever is seen.

    `idle_s` is more than `look_s`, for the first look is idle.
    """

    look_s: float
    idle_s: float
    longest_s: float


class Patience:
    """Tells a charon that hangs from one that is kept from the processor.

    `is_over` is to be asked about every `look_s` seconds. A look is idle when charon used no processor time since the
    one before, and so is the first: most charons answer before it, and cost no look. A machine that was suspended
    meanwhile, or busy with others, makes one look idle at most.
    `processor_s` says how many seconds of a processor charon has used, `now` monotonic time in seconds.
    """

    def __init__(self, limits: Limits, processor_s: Callable[[], float], now: Callable[[], float]) -> None:
        self.look_s = limits.look_s
        self._processor_s = processor_s
        self._now = now
        self._idle_s = limits.idle_s
        self._worked_s = math.inf
        self._looked_at = now()
        self._ends_at = self._looked_at + limits.longest_s

    @property
    def next_look(self) -> float:
        """The monotonic time of the next look, in seconds."""
        return self._looked_at + self.look_s

    def is_over(self) -> bool:
        """Look at charon; True when it hangs."""
        now, worked_s = self._now(), self._processor_s()
        if worked_s <= self._worked_s:
            self._idle_s -= min(now - self._looked_at, self.look_s)
        self._looked_at, self._worked_s = now, worked_s
        return self._idle_s <= 0 or now >= self._ends_at

"""What a long command says while it works: phases and their times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """A phase that was reached, `at_s` seconds after the command began."""

    phase: str
    at_s: float


class Progress(Protocol):
    """Where progress goes: a terminal, a log, or nowhere."""

    def reached(self, phase: PhaseTime) -> None:
        """A phase was reached."""

    def doing(self, text: str) -> None:
        """What is being done now, in words."""


class Stopwatch:
    """Times the phases of one command and tells them to a Progress. Each phase counts once."""

    def __init__(self, now: Callable[[], float], progress: Progress) -> None:
        self._now = now
        self._began = now()
        self._progress = progress
        self._phases: list[PhaseTime] = []

    def reached(self, phase: str) -> None:
        """Note that a phase is reached now; later calls for the same phase do nothing."""
        if all(known.phase != phase for known in self._phases):
            self._phases.append(PhaseTime(phase, round(self._now() - self._began, 3)))
            self._progress.reached(self._phases[-1])

    def doing(self, text: str) -> None:
        """Say what is being done."""
        self._progress.doing(text)

    @property
    def phases(self) -> tuple[PhaseTime, ...]:
        """The phases so far, in order."""
        return tuple(self._phases)

"""Progress on stderr: a living line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from lab.control.progress import PhaseTime

SPINNER_COLUMNS = 3


class ConsoleProgress:
    """Phases as they are reached, and what is being done in between.

    Without a terminal only what begins something is said, and with `verbose` also each thing that is awaited.
    """

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._last = ""
        self._status: Status | None = console.status("starting") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def reached(self, phase: PhaseTime) -> None:
        """A phase was reached."""
        self._print(Text.assemble((f"{phase.at_s:6.1f} s", "green"), f"  {phase.phase}"))

    def doing(self, text: str) -> None:
        """What is being done now."""
        if self._status is not None:
            line = Text(" ".join(text.split()))
            line.truncate(self._console.width - SPINNER_COLUMNS, overflow="ellipsis")
            self._status.update(line)
        if text != self._last and (self._verbose or (self._status is None and not text.startswith("waiting for"))):
            self._print(Text(f"          {text}"))
        self._last = text

    def _print(self, line: Text) -> None:
        """One line whatever its length: a log is searched by lines."""
        self._console.print(line, soft_wrap=True)

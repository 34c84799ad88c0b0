"""A command beside the nodes of a lab, whose lines are awaited while it runs."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lab.substrate import pace
from lab.wire.client import Client
from lab.wire.messages import Message

if TYPE_CHECKING:
    from conftest import LiveLab


class Running:
    """A command beside the nodes of a lab, whose lines are awaited."""

    def __init__(self, lab: LiveLab, client: Client, argv: Sequence[str]) -> None:
        self._client = client
        self._buffer = b""
        self.lines: list[str] = []
        self.exit: int | None = None
        lab.start_exec(client, None, argv)

    def feed(self, text: str) -> None:
        self._client.send({"input": b64encode(text.encode()).decode()})

    def end_input(self) -> None:
        self._client.send({"input_end": True})

    def signal(self, name: str) -> None:
        self._client.send({"signal": name})

    def wait_for(self, predicate: Callable[[list[str]], object], what: str, *, within_s: float = 60.0) -> None:
        """Until the lines so far, output and errors alike, fulfil the predicate."""
        deadline = time.monotonic() + within_s * pace.slowness()
        while not predicate(self.lines):
            message = self._client.receive(deadline - time.monotonic())
            assert message is not None, f"no {what}; last: {self.lines[-20:]}"
            self._take(message)
            if self.exit is not None:
                assert predicate(self.lines), f"no {what}, and the command ended with {self.exit}: {self.lines[-20:]}"
                break

    def lines_so_far(self) -> list[str]:
        """Its lines, with those that have come and were not asked for yet."""
        while self.exit is None and (message := self._client.receive(0.0)) is not None:
            self._take(message)
        return self.lines

    def _take(self, message: Message) -> None:
        assert "error" not in message, message
        if "result" in message:
            self.exit = message["result"]["exit"]
            return
        data = b64decode(message.get("out", "")) + b64decode(message.get("err", ""))
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self.lines += [line.decode() for line in lines]

    def wait(self) -> int:
        self.wait_for(lambda _: self.exit is not None, "end")
        assert self.exit is not None
        return self.exit

"""QEMU's machine protocol (QMP): commands, their answers, and events awaited with a deadline."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from lab.wire.messages import LineReader, Message, encode


class QmpError(Exception):
    """QEMU refused a command, said nothing in time, or went away."""


class Qmp:
    """One QMP session over a connected socket. QEMU serves one session at a time."""

    def __init__(self, connection: socket.socket, *, deadline: float) -> None:
        """Read the greeting and negotiate. `deadline` is a time of `time.monotonic`."""
        self._connection = connection
        self._reader = LineReader()
        self._messages: deque[Message] = deque()
        self._events: deque[Message] = deque()
        greeting = self._next(deadline, "the QMP greeting")
        version = greeting.get("QMP", {}).get("version", {}).get("qemu", {})
        self.qemu_version = ".".join(str(version.get(part, "?")) for part in ("major", "minor", "micro"))
        self.execute("qmp_capabilities", deadline=deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def execute(self, command: str, arguments: Message | None = None, *, deadline: float) -> Any:  # noqa: ANN401 - its shape is the command's
        """Send a command and return what QEMU returned. Events that come meanwhile are kept."""
        request: Message = {"execute": command} | ({"arguments": arguments} if arguments else {})
        try:
            self._connection.settimeout(_left(deadline, command))
            self._connection.sendall(encode(request))
        except OSError as error:
            raise QmpError(f"{command}: QEMU went away: {error}") from error
        while True:
            message = self._next(deadline, command)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise QmpError(f"{command}: {message['error'].get('desc', message['error'])}")
            if "event" in message:
                self._events.append(message)

    def await_event(self, awaited: str, matches: Callable[[Message], bool], *, deadline: float) -> Message:
        """Return the first event that matches, of those kept and those to come. Others are dropped."""
        while True:
            event = self._events.popleft() if self._events else self._next(deadline, awaited)
            if "event" in event and matches(event):
                return event

    def _next(self, deadline: float, awaited: str) -> Message:
        while not self._messages:
            try:
                self._connection.settimeout(_left(deadline, awaited))
                data = self._connection.recv(65536)
            except TimeoutError as error:
                raise QmpError(f"{awaited}: nothing from QEMU in time") from error
            except OSError as error:
                raise QmpError(f"{awaited}: QEMU went away: {error}") from error
            if not data:
                raise QmpError(f"{awaited}: QEMU ended")
            self._messages.extend(self._reader.feed(data))
        return self._messages.popleft()


def _left(deadline: float, awaited: str) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise QmpError(f"{awaited}: nothing from QEMU in time")
    return left

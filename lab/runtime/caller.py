"""The caller's end of a session: messages over a blocking descriptor."""

from __future__ import annotations

import os
import select
import stat
from collections import deque
from collections.abc import Iterator

from lab.wire.messages import PROTOCOL_VERSION, LineReader, Message, encode

PIECE = 1 << 15
"""Bytes written at once: what fits whenever poll(2) says that there is room, so that a write never blocks."""


class CallerGone(Exception):
    """The caller hung up, or another one took its place; `hello` is the new one's first message, if any."""

    def __init__(self, hello: Message | None = None) -> None:
        super().__init__("caller gone")
        self.hello = hello


class Caller:
    """Messages from and to the caller, over a blocking descriptor that is a socket or a virtio-serial port."""

    def __init__(self, fileno: int) -> None:
        self._fileno = fileno
        self._reader = LineReader()
        self._received: deque[Message] = deque()

    def fileno(self) -> int:
        """The descriptor to wait on; `pending` may already hold messages."""
        return self._fileno

    @property
    def pending(self) -> bool:
        """Whether `receive` has something without waiting: a caller may send a call and what follows in one go."""
        return bool(self._received)

    def send(self, message: Message) -> None:
        """Send one message; waits while the caller does not read. Raises CallerGone.

        A write to a port whose caller has hung up would wait for the next one, so it waits in poll(2), which tells.
        """
        rest = memoryview(encode(message))
        room = select.poll()
        room.register(self._fileno, select.POLLOUT)
        while rest:
            for _, events in room.poll():
                if events & (select.POLLHUP | select.POLLERR):
                    raise CallerGone
            rest = rest[self._write(rest[:PIECE]) :]

    def greet(self, hello: Message) -> None:
        """Answer a hello; the newline before it ends whatever was cut short by the last caller's end.

        That newline may block: a port's first bytes can arrive before the news that its caller is connected.
        """
        self._write(memoryview(b"\n"))
        self.send({"hello": hello["hello"], "version": PROTOCOL_VERSION})

    def receive(self) -> Iterator[Message]:
        """What has come, after waiting for something. Raises CallerGone at the end, or at another hello."""
        if not self._received:
            try:
                data = os.read(self._fileno, 1 << 16)
            except OSError as error:
                raise CallerGone from error
            if not data:
                raise CallerGone
            self._received.extend(self._reader.feed(data))
        while self._received:
            message = self._received.popleft()
            if "hello" in message:
                raise CallerGone(message)
            yield message

    def await_next(self) -> bool:
        """After the end of a caller: wait for more on the same line. False at once for a socket, which has one caller.

        A port's data can overtake the news of who is connected: the end that was read may be that of an earlier
        caller, while the present one has been greeted already.
        """
        if not stat.S_ISCHR(os.fstat(self._fileno).st_mode):
            return False
        now = select.poll()
        now.register(self._fileno, select.POLLIN)
        with select.epoll() as changes:  # edge-triggered: a port without a caller is readable for ever
            changes.register(self._fileno, select.EPOLLIN | select.EPOLLET)
            while not any(events & select.POLLIN and not events & select.POLLHUP for _, events in now.poll(0)):
                changes.poll()
        return True

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._fileno, data)
        except OSError as error:
            raise CallerGone from error

"""A socket inside a `Loop` that sends and receives messages without ever blocking the loop."""

from __future__ import annotations

import socket
from collections.abc import Callable

from lab.loop import Loop
from lab.wire.messages import LineReader, Message, encode

MOST_UNSENT = 64 * 1024 * 1024
"""Bytes. A reader that is this far behind is as good as gone."""


class Channel:
    """Messages to and from one connected stream socket.

    `on_message` is called with each message, `on_close` once when the other end is gone or does not read.
    What does not fit the socket's buffer waits and is sent when the other end has read.
    """

    def __init__(
        self, loop: Loop, sock: socket.socket, on_message: Callable[[Message], None], on_close: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._on_message = on_message
        self._on_close = on_close
        self._reader = LineReader()
        self._unsent = bytearray()
        self.closed = False
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._readable)

    def send(self, message: Message) -> None:
        """Send a message, now or as soon as the other end reads. Does nothing once closed."""
        if self.closed:
            return
        self._unsent += encode(message)
        if len(self._unsent) > MOST_UNSENT:
            self._lost()
        else:
            self._flush()

    def close(self) -> None:
        """Close the socket; `on_close` is not called."""
        if not self.closed:
            self.closed = True
            self._loop.forget(self._socket.fileno())
            self._socket.close()

    def _flush(self) -> None:
        try:
            sent = self._socket.send(self._unsent) if self._unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost()
            return
        del self._unsent[:sent]
        self._loop.watch(self._socket.fileno(), self._readable, self._flush if self._unsent else None)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        for message in self._reader.feed(data):
            if self.closed:
                return
            self._on_message(message)

    def _lost(self) -> None:
        if not self.closed:
            self.close()
            self._on_close()

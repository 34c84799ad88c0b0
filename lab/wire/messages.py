"""One JSON object a line, bounded; what arrives broken is dropped up to the next line.

A virtio-serial port carries what is left of a killed client's half line. Lines heal that: whoever connects sends
an empty line and a hello with a number of its own, and ignores everything up to the answer to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

NUDGE = b"\n"
"""An empty line says nothing and makes the other end look at its line.

Under emulation a virtio-serial port now and then (once in some tens of calls on a busy host, QEMU 7.2) keeps what was
written until the next byte comes. So whoever waits for an answer from a machine nudges it, ever more rarely; and a
session says that it has "taken" a call, for a caller that goes on to wait for something else.
"""

PROTOCOL_VERSION = 2
"""Raise it with every change of what callers and labs say to each other, plans and reports included."""
LONGEST_LINE = 32 * 1024 * 1024
"""Bytes. A plan of 10 connections has 60 KB, a report with 30 000 routes 3 MB."""


def encode(message: Message) -> bytes:
    """The line of one message, newline included."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class LineReader:
    """Takes bytes as they come and gives whole messages. Lines that are no JSON object are counted, not raised."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._longest = longest
        self._skipping = False
        self.dropped = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages completed by `data`."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            line = b"".join((*self._pieces, piece))
            self._pieces, self._size = [], 0
            skip, self._skipping = self._skipping, False
            if skip or not line.strip():
                continue
            message = _decode(line)
            if message is None:
                self.dropped += 1
            else:
                yield message
        self._size += len(rest)
        if self._size > self._longest:
            self._pieces, self._size = [], 0
            self.dropped += not self._skipping
            self._skipping = True
        elif rest and not self._skipping:
            self._pieces.append(rest)


def _decode(line: bytes) -> Message | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None

"""One end of the UDP probes: sends its numbered packets on time and notes what comes, to the nanosecond, by the kernel.

It runs in a node in a process of its own and decides nothing: when each packet left and when each came goes to the
caller in bulk. So the work per packet stays small, and nothing that the caller does can delay a packet.
"""

from __future__ import annotations

import socket
import struct
import time
from array import array
from collections.abc import Callable
from contextlib import suppress

from lab.loop import Loop
from lab.plan.probes import ProbePlan
from lab.wire.messages import Message
from lab.wire.numbers import packed

# Linux, asm-generic/socket.h; Python has no names for them.
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SO_RXQ_OVFL = 40

HEADER = struct.Struct("!QI")
"""The plan's token and the packet's number."""
TIMESPEC = struct.Struct("@qq")
DROPS = struct.Struct("@I")
ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC.size) + socket.CMSG_SPACE(DROPS.size)

# Chosen.
RECEIVE_BUFFER_BYTES = 8 << 20  # seconds of packets, should the prober be held up
DRAIN_S = 0.02  # between two looks at what came: a few milliseconds of work at a time in a guest
SAY_S = 0.2  # between two messages to the caller
AT_ONCE = 8  # packets in one go when some are due: then the loop has its turn
SKIP_AFTER_S = 1.0  # a packet that is late by more is not sent at all: no burst makes up for a long pause


class UdpProber:
    """End `number` of the plan. `say` takes messages to the caller; it never blocks."""

    def __init__(self, loop: Loop, plan: ProbePlan, number: int, say: Callable[[Message], None]) -> None:
        own, peer = plan.ends[number], plan.ends[1 - number]
        self._loop = loop
        self._plan = plan
        self._number = number
        self._say = say
        self._sink = _listening(str(own.address), plan.sink_port)
        self._sources = [_bound(str(own.address), plan.first_port + flow) for flow in range(plan.flows)]
        self._destination = (str(peer.address), plan.sink_port)
        self._packet = bytearray(max(plan.payload_bytes, HEADER.size))
        self._began = 0.0
        self._next = 0
        self._stopped_at: float | None = None
        self._heard_at = 0.0
        self._dropped = 0
        self._drained_until = 0
        self._sent, self._numbers, self._stamps = array("q"), array("I"), array("q")

    def begin(self) -> None:
        """Send from now on. The second end sends between the packets of the first."""
        self._began = self._loop.now() + self._number / (2 * self._plan.rate)
        offset_ns = time.time_ns() - time.monotonic_ns()
        self._say({"end": self._number, "began": round(self._began * 1e9) + offset_ns})
        self._send_due()
        self._drain()
        self._tell()

    def stop(self) -> None:
        """Send no more; listen until all is quiet, then say that this is the end."""
        self._stopped_at = self._heard_at = self._loop.now()

    def _send_due(self) -> None:
        """Send what is due, a few packets at most. What left is noted with its time, what was skipped with 0."""
        if self._stopped_at is not None:
            return
        plan, now = self._plan, self._loop.now()
        for _ in range(AT_ONCE):
            due = self._began + self._next / plan.rate
            if due > now:
                break
            if now - due > SKIP_AFTER_S:
                self._skip_to(now)
                break
            HEADER.pack_into(self._packet, 0, plan.token, self._next)
            self._sent.append(time.time_ns())
            with suppress(OSError):  # no way out of this node, or no room: lost on its first step, and counted as such
                self._sources[self._next % plan.flows].sendto(self._packet, self._destination)
            self._next += 1
        self._loop.call_at(self._began + self._next / plan.rate, self._send_due)

    def _skip_to(self, now: float) -> None:
        """Leave out the packets that should have left before `now`."""
        on_time = int((now - self._began) * self._plan.rate)
        self._sent.extend(0 for _ in range(on_time - self._next))
        self._next = on_time

    def _drain(self) -> None:
        until = time.time_ns()
        while True:
            try:
                data, ancillary, _, _ = self._sink.recvmsg(HEADER.size, ANCILLARY_BYTES)
            except BlockingIOError:
                break
            self._take(data, ancillary)
        self._drained_until = until
        if self._stopped_at is not None and self._loop.now() - self._heard_at > self._plan.quiet_s:
            self._tell()
            self._say({"ended": True})
            return
        self._loop.call_at(self._loop.now() + DRAIN_S, self._drain)

    def _take(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        if len(data) < HEADER.size:
            return
        token, number = HEADER.unpack(data)
        if token != self._plan.token:
            return
        self._heard_at = self._loop.now()
        for _, kind, value in ancillary:
            if kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = TIMESPEC.unpack(value)
                self._numbers.append(number)
                self._stamps.append(seconds * 1_000_000_000 + nanoseconds)
            elif kind == SO_RXQ_OVFL:
                (self._dropped,) = DROPS.unpack(value)

    def _tell(self) -> None:
        """Tell the caller what left and what came since the last time."""
        self._say({
            "end": self._number,
            "sent": packed(self._sent),
            "numbers": packed(self._numbers),
            "stamps": packed(self._stamps),
            "until": self._drained_until,
            "dropped": self._dropped,
        })  # fmt: skip
        self._sent, self._numbers, self._stamps = array("q"), array("I"), array("q")
        self._loop.call_at(self._loop.now() + SAY_S, self._tell)


def _listening(address: str, port: int) -> socket.socket:
    sink = _bound(address, port)
    sink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    sink.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sink.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    return sink


def _bound(address: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setblocking(False)
    one.bind((address, port))
    return one

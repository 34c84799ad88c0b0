"""One end of a TCP connection that stands for an application: a steady offer at one end, what comes of it at the other.

The offer is small, so that it neither fills a tunnel nor takes the processor from the UDP probes.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from array import array
from collections.abc import Callable

from lab.loop import Loop
from lab.plan.probes import ProbePlan, TcpPlan
from lab.wire.messages import Message
from lab.wire.numbers import packed

# Chosen.
OFFER_S = 0.02  # between two offers: a stall is known this exactly
SAY_S = 0.2  # between two messages to the caller
PIECE = 1 << 16


class TcpSource:
    """Connects from the first end and offers bytes at the planned rate, whether or not they can be sent yet."""

    def __init__(self, loop: Loop, plan: ProbePlan, tcp: TcpPlan, say: Callable[[Message], None]) -> None:
        own, peer = plan.ends
        self._loop = loop
        self._tcp = tcp
        self._say = say
        self._socket = _bound(str(own.address), tcp.source_port)
        self._destination = (str(peer.address), tcp.port)
        self._began = 0.0
        self._taken = 0
        self._stopped = False

    def begin(self) -> None:
        """Connect, and offer from now on."""
        code = self._socket.connect_ex(self._destination)
        if code not in (0, errno.EINPROGRESS):
            self._say({"tcp_broken": os.strerror(code)})
            return
        self._began = self._loop.now()
        self._offer()

    def stop(self) -> None:
        """Offer no more."""
        self._stopped = True
        self._socket.close()
        self._say({"ended": True})

    def _offer(self) -> None:
        if self._stopped:
            return
        wanted = int((self._loop.now() - self._began) * self._tcp.rate)
        try:
            while self._taken < wanted:
                self._taken += self._socket.send(bytes(min(wanted - self._taken, PIECE)))
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # not connected yet
                self._say({"tcp_broken": error.strerror})
                return
        self._loop.call_at(self._loop.now() + OFFER_S, self._offer)


class TcpSink:
    """Accepts at the second end and notes how many bytes came when."""

    def __init__(self, loop: Loop, plan: ProbePlan, tcp: TcpPlan, say: Callable[[Message], None]) -> None:
        self._loop = loop
        self._quiet_s = plan.quiet_s
        self._say = say
        self._times, self._sizes = array("q"), array("I")
        self._connection: socket.socket | None = None
        self._listener = _bound(str(plan.ends[1].address), tcp.port)
        self._listener.listen(1)
        loop.watch(self._listener.fileno(), self._accept)

    def begin(self) -> None:
        """Tell the caller what comes, from now on."""
        self._tell()

    def stop(self) -> None:
        """Take what is still on its way, then say that this is the end."""
        self._loop.call_at(self._loop.now() + self._quiet_s, self._end)

    def _accept(self) -> None:
        self._connection, _ = self._listener.accept()
        self._connection.setblocking(False)
        self._loop.watch(self._connection.fileno(), self._take)

    def _take(self) -> None:
        assert self._connection is not None  # noqa: S101 - it is what is watched
        try:
            data = self._connection.recv(PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            self._say({"tcp_broken": error.strerror})
            data = b""
        if not data:
            self._loop.forget(self._connection.fileno())
            return
        self._times.append(time.time_ns())
        self._sizes.append(len(data))

    def _tell(self) -> None:
        self._say({"tcp_times": packed(self._times), "tcp_sizes": packed(self._sizes)})
        self._times, self._sizes = array("q"), array("I")
        self._loop.call_at(self._loop.now() + SAY_S, self._tell)

    def _end(self) -> None:
        self._tell()
        self._say({"ended": True})


def _bound(address: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setblocking(False)
    one.bind((address, port))
    return one

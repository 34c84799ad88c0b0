"""Nudges of a caller that waits, while another thread of it sends."""

from __future__ import annotations

import os
import socket
import threading

from lab.wire.client import FIRST_NUDGE_S, Client
from lab.wire.messages import LineReader

DEADLINE_S = 20.0


class SlowSocket(socket.socket):
    """Sends the first half of what it is given, and the second when the test lets it."""

    half_way = threading.Event()
    go_on = threading.Event()

    def sendall(self, data, flags=0):
        half = len(data) // 2
        super().sendall(data[:half], flags)
        self.half_way.set()
        self.go_on.wait(DEADLINE_S)
        super().sendall(data[half:], flags)


def test_a_nudge_never_falls_into_a_line_that_another_thread_sends():
    ours, theirs = socket.socketpair()
    slow = SlowSocket(fileno=ours.detach())
    with theirs, Client(slow, os.open(os.devnull, os.O_RDONLY)) as client:  # with a port's lock it nudges
        sending = threading.Thread(target=client.send, args=({"input": "all of it"},))
        sending.start()
        assert slow.half_way.wait(DEADLINE_S)
        assert client.receive(3 * FIRST_NUDGE_S) is None
        slow.go_on.set()
        sending.join(DEADLINE_S)
        reader = LineReader()
        assert list(reader.feed(theirs.recv(1 << 16))) == [{"input": "all of it"}]
        assert reader.dropped == 0

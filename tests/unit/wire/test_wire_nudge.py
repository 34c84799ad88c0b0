"""Nudges of a caller that waits: for a line that keeps what was sent, and while another thread of it sends."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from lab.errors import NotConverged
from lab.wire.client import FIRST_NUDGE_S, Client
from lab.wire.messages import LineReader, encode

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


def keep_until_the_next_byte(peer):
    """A port as it is under emulation now and then; what it has kept is taken when something follows."""
    kept = peer.recv(1 << 16)
    while b"call" not in kept:
        kept = peer.recv(1 << 16)
    if peer.recv(1 << 16):
        peer.sendall(encode({"out": "first"}) + encode({"taken": True}))


def test_a_call_that_was_started_has_arrived_even_where_the_line_keeps_it():
    ours, theirs = socket.socketpair()
    with theirs, Client(ours, os.open(os.devnull, os.O_RDONLY)) as client:
        port = threading.Thread(target=keep_until_the_next_byte, args=(theirs,))
        port.start()
        client.start("exec", deadline_s=DEADLINE_S, argv=["true"])
        port.join(DEADLINE_S)
        assert client.receive(0) == {"out": "first"}
        assert client.receive(0) is None


def test_a_call_that_nobody_takes_is_an_error():
    ours, theirs = socket.socketpair()
    with theirs, Client(ours) as client, pytest.raises(NotConverged, match="exec: the lab has not taken it"):
        client.start("exec", deadline_s=0.1, argv=["true"])

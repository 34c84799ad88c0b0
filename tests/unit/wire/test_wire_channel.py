"""A channel never blocks its loop, keeps order, and says once that the other end is gone."""

from __future__ import annotations

import socket
import time

import pytest

from lab.loop import Loop
from lab.wire import channel as channels
from lab.wire.channel import Channel
from lab.wire.messages import LineReader, encode

DEADLINE_S = 20.0


class End:
    """A channel with what came of it, and the plain socket at its other end."""

    def __init__(self):
        self.loop = Loop(time.monotonic)
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(DEADLINE_S)
        self.messages = []
        self.closed = 0
        self.channel = Channel(self.loop, ours, self.on_message, self.on_close)

    def on_message(self, message):
        self.messages.append(message)
        if message.get("stop"):
            self.loop.stop()

    def on_close(self):
        self.closed += 1
        self.loop.stop()

    def run(self):
        self.loop.call_at(time.monotonic() + DEADLINE_S, self.loop.stop)
        self.loop.run()


@pytest.fixture
def end():
    end = End()
    yield end
    end.channel.close()
    end.peer.close()
    end.loop.close()


def test_messages_arrive_in_order(end):
    end.peer.sendall(b"".join(encode({"number": n}) for n in range(1000)) + encode({"stop": True}))
    end.run()
    assert [message["number"] for message in end.messages[:-1]] == list(range(1000))


def test_a_slow_reader_gets_everything_and_holds_nobody_up(end):
    before = time.monotonic()
    for number in range(300):
        end.channel.send({"number": number, "filling": "x" * 10_000})
    assert time.monotonic() - before < DEADLINE_S / 2
    reader, got = LineReader(), []

    def read_a_little():
        got.extend(message["number"] for message in reader.feed(end.peer.recv(100_000)))
        if len(got) == 300:
            end.loop.stop()
        else:
            end.loop.call_at(time.monotonic(), read_a_little)

    end.loop.call_at(time.monotonic(), read_a_little)
    end.run()
    assert got == list(range(300))


def test_a_reader_that_is_too_far_behind_is_given_up(end, monkeypatch):
    monkeypatch.setattr(channels, "MOST_UNSENT", 1_000_000)
    for _ in range(200):
        end.channel.send({"filling": "x" * 10_000})
    assert (end.channel.closed, end.closed) == (True, 1)
    end.channel.send({"more": 1})


def test_the_end_is_told_once(end):
    end.peer.close()
    end.run()
    end.channel.send({"late": 1})
    assert end.closed == 1


def test_closing_on_purpose_is_not_told(end):
    end.channel.close()
    end.channel.close()
    assert end.closed == 0
    assert end.peer.recv(1) == b""


def test_nothing_is_delivered_after_a_callback_closed_the_channel(end):
    def close(message):
        end.messages.append(message)
        end.channel.close()
        end.loop.stop()

    end.channel._on_message = close
    end.peer.sendall(encode({"a": 1}) + encode({"b": 2}))
    end.run()
    assert end.messages == [{"a": 1}]

"""Our own commands of ExaBGP's API, on a connection of this process's own."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from bgp import daemon

NOTIFICATION = b"\xff" * 16 + b"\x00\x15\x03\x06\x02"


class Peer:
    """A peer of ExaBGP's: its next turn but one sends the NOTIFICATION and closes."""

    def __init__(self, connection):
        self.neighbor = {"peer-address": "192.0.2.1"}
        self.proto = SimpleNamespace(connection=SimpleNamespace(io=connection))
        self.code = None
        self.turns = 0

    def teardown(self, code):
        self.code = code

    def run(self):
        self.turns += 1
        if self.turns == 2:
            self.proto.connection.io.send(NOTIFICATION)
            self.proto.connection.io.close()
            self.proto = None


@pytest.fixture
def connection():
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as theirs:
        ours, _ = server.accept()
        with ours:
            yield ours, theirs
    while daemon.PARTING:
        daemon.PARTING.pop().close()


def test_a_peer_that_still_writes_reads_why_its_session_ended(connection):
    ours, theirs = connection
    theirs.send(b"an UPDATE that nobody reads")
    peer = Peer(ours)
    reactor = SimpleNamespace(established_peers=lambda: ["one"], _peers={"one": peer})
    assert daemon.cease(None, reactor, "api", "cease 192.0.2.1", False)
    assert peer.code == daemon.ADMINISTRATIVE_SHUTDOWN
    for _ in range(3):
        theirs.send(b"and more")
    assert theirs.recv(4096) == NOTIFICATION
    assert theirs.recv(4096) == b""


def test_another_peer_s_session_is_left_alone(connection):
    peer = Peer(connection[0])
    reactor = SimpleNamespace(established_peers=lambda: ["one"], _peers={"one": peer})
    assert daemon.cease(None, reactor, "api", "cease 192.0.2.2", False)
    assert (peer.code, peer.turns) == (None, 0)

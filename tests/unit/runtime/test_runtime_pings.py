"""Pings through tunnels, as a caller hears of them, without any lab: who waits for a turn is told so."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from lab.locking import try_lock
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.runtime import pings
from lab.runtime.caller import Caller
from lab.runtime.nodes import NAMESPACES
from lab.spec.load import reference
from lab.wire.client import Client

DEADLINE_S = 20.0

pytestmark = pytest.mark.timeout(60)


def test_who_waits_for_a_turn_is_told_so_until_it_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(pings, "RUN_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(pings, "WAITING_S", 0.01)
    (tmp_path / "nosuch").mkdir()
    plan = compile_plan(reference()).pings[0]
    args = {"lab": "nosuch", "wait_s": 1, "pings": [{"plan": to_json(plan), "ends": [["bgw1", "x"], ["hq-gw", "x"]]}]}
    theirs, ours = socket.socketpair()
    turn = os.open(tmp_path / "nosuch", os.O_RDONLY | os.O_DIRECTORY)
    assert try_lock(turn)
    asking = threading.Thread(target=pings.ping_through_tunnels, args=(Caller(theirs.fileno()), NAMESPACES, args))
    with theirs, Client(ours) as client:
        asking.start()
        assert [client.receive(DEADLINE_S) for _ in range(2)] == 2 * [{"waiting": plan.tunnel}]
        os.close(turn)
        while (message := client.receive(DEADLINE_S)) == {"waiting": plan.tunnel}:
            continue
        asking.join(DEADLINE_S)
    assert message is not None
    assert message["answer"]["tunnel"] == plan.tunnel
    assert "cannot lead the ping into the tunnel" in message["answer"]["error"]

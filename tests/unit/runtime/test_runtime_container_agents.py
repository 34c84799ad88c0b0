"""An agent in a container, as the lab process knows it: over a real socket, with the other end in the test's hands."""

from __future__ import annotations

import socket
import time

import pytest

from lab.loop import Loop
from lab.plan.containers import AGENT_SOCKET
from lab.runtime.container_agents import ContainerAgent
from lab.wire.messages import LineReader, encode

PLAN = {"plan": {"name": "a"}, "keys": {}, "offered": {}}
LONG_S = 10.0


class Container:
    """The container's end: listens where the agent would."""

    def __init__(self, directory):
        self.path = directory / AGENT_SOCKET
        self.start()

    def start(self):
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.connection = None

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(LONG_S)
        self.reader = LineReader()

    def heard(self):
        while True:
            for message in self.reader.feed(self.connection.recv(65536)):
                return message

    def end(self):
        self.listener.close()
        if self.connection:
            self.connection.close()


class Watched:
    def __init__(self, directory):
        self.loop = Loop(time.monotonic)
        self.messages, self.deaths = [], []
        self.agent = ContainerAgent(self.loop, directory, self._heard, self._died)

    def _heard(self, message):
        self.messages.append(message)
        self.loop.stop()

    def _died(self, text):
        self.deaths.append(text)
        self.loop.stop()

    def run_until(self, condition):
        deadline = self.loop.now() + LONG_S
        while not condition():
            assert self.loop.now() < deadline
            self.loop.call_at(self.loop.now() + 0.05, self.loop.stop)
            self.loop.run()


@pytest.fixture
def container(tmp_path):
    container = Container(tmp_path)
    yield container
    container.end()


@pytest.fixture
def watched(tmp_path):
    watched = Watched(tmp_path)
    yield watched
    watched.agent.leave()
    watched.loop.close()


def test_an_agent_is_given_its_plan_and_looks_at_once(container, watched):
    watched.agent.give(PLAN)
    container.accept()
    assert container.heard() == PLAN | {"observe": "first"}
    container.connection.sendall(encode({"report": 1}))
    watched.run_until(lambda: watched.messages)
    assert watched.messages == [{"report": 1}]


def test_an_agent_that_listens_later_is_reached_later(tmp_path, watched):
    watched.agent.give(PLAN)
    assert not watched.agent.ask(1)
    container = Container(tmp_path)
    watched.run_until(lambda: watched.agent.pid is not None)
    container.accept()
    assert container.heard()["plan"] == PLAN["plan"]
    container.end()


def test_a_container_that_returns_is_given_the_plan_again(container, watched):
    watched.agent.give(PLAN)
    container.accept()
    container.end()
    watched.run_until(lambda: watched.deaths)
    assert watched.agent.restarts == 1
    assert watched.agent.pid is None
    container.start()
    watched.run_until(lambda: watched.agent.pid is not None)
    container.accept()
    assert container.heard()["plan"] == PLAN["plan"]


def test_who_has_left_is_not_reached_again(container, watched):
    watched.agent.give(PLAN)
    container.accept()
    watched.agent.leave()
    assert container.heard()["plan"] == PLAN["plan"]
    assert container.connection.recv(1) == b""
    assert watched.deaths == []

"""When the agent looks: engines and kernel are stand-ins that say what the test wants them to."""

from __future__ import annotations

import os
import select

import pytest

from bgp.sessions import SpeakerEvent
from endpoint.errors import EndpointError
from endpoint.report import EndpointEvent, EndpointReport, TunnelReport
from endpoint.routes import RouteChanges
from lab.loop import Loop
from lab.node import agent, kernel_routes
from lab.node.agent import TRY_AGAIN_S, Agent
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.spec.load import reference

NODE = next(node for node in compile_plan(reference()).nodes if node.name == "bgw1")
TUNNEL = NODE.endpoint.tunnels[0]
LEARNED = {}


class Charon:
    """A charon whose news come when the test has planned: `news` holds what each call of process() is to hear."""

    def __init__(self):
        self.news = []
        self.state = "down"
        self.has_news = False
        self.lacks_charon = False
        self.observed = []
        self.wish = None

    def __call__(self, *_, **__):
        return self

    def start(self, _plan): ...

    def apply(self, _plan, _keys): ...

    def filenos(self):
        return ()

    def due(self):
        return self.wish

    def process(self):
        state = self.news.pop(0) if self.news else None
        if state is None:
            return ()
        self.state, self.has_news = state, True
        return (EndpointEvent("tunnel-up", TUNNEL.name, "up"),)

    def observe(self):
        self.has_news = False
        self.observed.append(self.state)
        return EndpointReport(
            7, 0, None, (TunnelReport(TUNNEL.name, TUNNEL.interface, self.state, 0.0, None, None, None),)
        )


class ExaBgp:
    """An ExaBGP that says something whenever the test writes to `pen`."""

    def __init__(self):
        self.paper, self.pen = os.pipe()

    def __call__(self, *_, **__):
        return self

    def apply(self, _plan): ...

    def process(self):
        if select.select([self.paper], [], [], 0)[0]:
            said = os.read(self.paper, 100)
            return (SpeakerEvent("established", "hq-1", "said"),) if said == b"session" else ()
        return ()

    def filenos(self):
        return (self.paper,)

    def restart_due(self):
        return None

    def routes(self):
        return LEARNED

    def report(self):
        return None


@pytest.fixture
def exabgp():
    exabgp = ExaBgp()
    yield exabgp
    os.close(exabgp.paper)
    os.close(exabgp.pen)


@pytest.fixture
def charon(monkeypatch, exabgp):
    charon = Charon()
    monkeypatch.setattr(agent, "Endpoint", charon)
    monkeypatch.setattr(agent, "Speaker", exabgp)
    for effect in ("set_sysctls", "apply_interfaces", "apply_source_routes", "apply_filters"):
        monkeypatch.setattr(agent, effect, lambda *_: None)
    monkeypatch.setattr(agent, "observe_interfaces", lambda: ())
    monkeypatch.setattr(agent, "counters", dict)
    monkeypatch.setattr(kernel_routes, "set_routes", lambda wanted, *_: RouteChanges((), (), (), {}, wanted))
    return charon


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def running(charon, clock, tmp_path):  # noqa: ARG001 - the engines that it finds
    """The agent's loop, with its plan given once; time stands still unless the test moves it."""
    loop = Loop(lambda: clock[0])
    running = Agent(loop, tmp_path)
    said = []
    running._send = said.append
    yield loop, running, said
    running._bell.close()
    loop.close()


def given(running):
    loop, running, said = running
    running.on_message({"plan": to_json(NODE), "keys": {}, "offered": {}})
    return loop, said


def look_once_more(loop):
    """Run what is due now."""
    loop.call_at(loop.now(), loop.stop)
    loop.run()


def test_what_is_heard_after_the_look_is_looked_at_at_once(charon, running):
    charon.news = [None, "up"]
    loop, said = given(running)
    assert charon.observed == ["down"]
    look_once_more(loop)
    assert charon.observed == ["down", "up"]
    reported = [message["report"]["endpoint"]["tunnels"][0]["state"] for message in said if "report" in message]
    assert reported == ["down", "up"]
    look_once_more(loop)
    assert charon.observed == ["down", "up"], "nothing new, and no time has passed"


def test_a_wish_in_the_past_waits_a_moment_while_something_is_refused(charon, clock, running, monkeypatch):
    def refuse(*_):
        raise EndpointError("refused", mend="-")

    monkeypatch.setattr(agent, "apply_filters", refuse)
    charon.wish = clock[0] - 1
    loop, said = given(running)
    looks = len(charon.observed)
    look_once_more(loop)
    assert len(charon.observed) == looks
    clock[0] += TRY_AGAIN_S
    look_once_more(loop)
    assert len(charon.observed) == looks + 1
    (problem,) = said[0]["report"]["problems"]
    assert problem.startswith("filters: refused")


def test_what_is_heard_after_the_look_is_looked_at_soon_though_something_is_refused(
    charon, clock, running, monkeypatch
):
    def refuse(*_):
        raise EndpointError("refused", mend="-")

    monkeypatch.setattr(agent, "apply_filters", refuse)
    charon.news = [None, "up"]
    loop, _ = given(running)
    clock[0] += TRY_AGAIN_S
    look_once_more(loop)
    assert charon.observed == ["down", "up"]


def test_routes_are_not_worked_out_anew_while_the_same_tunnels_carry(charon, clock, running, monkeypatch):
    worked_out = []
    monkeypatch.setattr(
        kernel_routes, "forwarding_of", lambda *args: worked_out.append(args) or kernel_routes.Forwarding({}, {})
    )
    charon.state = "up"
    loop, _ = given(running)
    before = len(worked_out)
    clock[0] += agent.LOOK_AGAIN_S
    look_once_more(loop)
    assert len(worked_out) == before == 1


def test_what_exabgp_says_makes_nobody_ask_charon_until_the_next_look_at_all(charon, exabgp, clock, running):
    loop, _ = given(running)
    for _ in range(9):
        clock[0] += agent.LOOK_AGAIN_S / 10
        os.write(exabgp.pen, b"x")
        look_once_more(loop)
    assert charon.observed == ["down"]
    clock[0] += agent.LOOK_AGAIN_S / 10
    os.write(exabgp.pen, b"x")
    for _ in range(2):
        look_once_more(loop)
    assert charon.observed == ["down", "down"]


def test_a_session_that_comes_or_goes_is_reported_with_everything_as_it_is_then(charon, exabgp, running):
    loop, _ = given(running)
    os.write(exabgp.pen, b"session")
    look_once_more(loop)
    assert charon.observed == ["down", "down"]


def test_nor_does_the_report_that_was_put_off_since_the_last_one_took_so_long(
    charon, exabgp, clock, running, monkeypatch
):
    loop, _ = given(running)
    monkeypatch.setattr(exabgp, "report", lambda: clock.__setitem__(0, clock[0] + 0.5))
    for _ in range(2):
        os.write(exabgp.pen, b"x")
        look_once_more(loop)
    clock[0] += 0.5
    look_once_more(loop)
    assert charon.observed == ["down"]
    assert clock[0] == 100.0 + 3 * 0.5, "two reports by now"

"""The lab process and its agents on real namespaces of this host, without any tunnel: no XFRM is needed."""

from __future__ import annotations

import os
import secrets
import signal
import time
from ipaddress import IPv4Interface

import pytest

from endpoint.plan import InterfacePlan
from lab.control.readiness import lacks
from lab.errors import HostCannot, LabError
from lab.loop import Loop
from lab.plan.codec import from_json, to_json
from lab.plan.model import LabPlan, LinkEnd, LinkPlan, NodePlan
from lab.plan.report import LabReport
from lab.runtime.process import LabProcess
from lab.substrate import namespaces, pace
from lab.substrate.netns import Netns

pytestmark = pytest.mark.lab

DEADLINE_S = 20.0
MACS = {"a": "02:76:00:00:00:01", "b": "02:76:00:00:00:02"}
LINK = LinkPlan(LinkEnd("a", "eth0", MACS["a"]), LinkEnd("b", "eth0", MACS["b"]))


class LiveProcess:
    """A lab process in this process; its loop runs while a test waits for something."""

    def __init__(self, directory):
        self.name = f"t{secrets.token_hex(4)}"
        self.loop = Loop(time.monotonic)
        self.lab = LabProcess(self.loop, directory)
        self.said = []

    def plan(self, links=(LINK,), nodes=("a", "b")):
        return LabPlan(
            version=1,
            name=self.name,
            nodes=tuple(
                NodePlan(name, "host", (InterfacePlan("eth0", MACS[name], (IPv4Interface(f"192.0.2.{i}/24"),), 1400),))
                for i, name in enumerate(nodes, start=1)
            ),
            links=tuple(links),
            tunnels=(),
            pings=(),
        )

    def apply(self, plan):
        self.lab.apply(to_json(plan), {})

    def hear(self, message):
        self.said.append(message)
        self.loop.stop()

    def until(self, found, what):
        """Serve until `found` returns something for what was said."""
        deadline = time.monotonic() + DEADLINE_S * pace.slowness()
        self.loop.call_at(deadline, self.loop.stop)
        while (result := found()) is None:
            assert time.monotonic() < deadline, f"no {what}; said: {self.said}"
            self.loop.run()
        return result

    def report(self):
        del self.said[:]
        self.lab.report(self.hear)
        answer = self.until(lambda: next((m["result"] for m in self.said if "result" in m), None), "report")
        return from_json(LabReport, answer)

    def await_ready(self, plan):
        self.lab.watch(self.hear)
        found = self.until(lambda: report if not lacks(plan, report := self.report()) else None, "ready lab")
        self.lab.forget(self.hear)
        return found

    def event(self, kind):
        self.lab.events(0, True, self.hear)
        found = self.until(
            lambda: next((m["event"] for m in self.said if m.get("event", {}).get("kind") == kind), None), kind
        )
        self.lab.forget(self.hear)
        return found


@pytest.fixture
def live(tmp_path):
    live = LiveProcess(tmp_path)
    try:
        Netns(live.name).create_node("probe")
    except (LabError, OSError) as error:
        pytest.skip(f"a network namespace cannot be made: {error}")
    yield live
    live.lab.shutdown()
    live.loop.close()
    assert namespaces.names(f"vpnlab.{live.name}.") == ()


def test_a_lab_is_made_and_made_again_without_any_change(live):
    plan = live.plan()
    live.apply(plan)
    before = live.await_ready(plan)
    live.apply(plan)
    after = live.await_ready(plan)
    assert [node.agent_pid for node in after.nodes] == [node.agent_pid for node in before.nodes]
    assert Netns(live.name).find() == ("a", "b"), "what somebody else had left is gone"


def test_a_plan_that_cannot_be_made_leaves_nothing_and_the_next_one_is_made(live):
    with pytest.raises(HostCannot, match="eth0"):
        live.apply(live.plan(links=(LINK, LINK)))
    assert Netns(live.name).find() == ()
    assert live.report().plan_digest == ""
    plan = live.plan()
    live.apply(plan)
    live.await_ready(plan)


def test_a_node_that_is_planned_no_longer_goes_with_its_agent(live):
    live.apply(live.plan())
    before = live.await_ready(live.plan())
    live.apply(live.plan(links=(), nodes=("a",)))
    assert Netns(live.name).find() == ("a",)
    assert [node.name for node in live.report().nodes] == ["a"]
    assert live.report().node("a").agent_pid == before.node("a").agent_pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, 40])
def test_a_killed_agent_is_replaced_and_the_lab_says_so(live, number):
    plan = live.plan()
    live.apply(plan)
    before = live.await_ready(plan).node("a").agent_pid
    os.kill(before, number)
    event = live.event("agent-died")
    assert event["node"] == "a"
    assert f"agent {before} was killed by" in event["text"]
    node = live.await_ready(plan).node("a")
    assert node.agent_pid not in {None, before}
    assert (node.agent_restarts, node.agent_last_exit) == (1, event["text"])


def test_the_last_words_of_a_dead_agent_are_not_believed(live):
    plan = live.plan()
    live.apply(plan)
    os.kill(live.await_ready(plan).node("a").agent_pid, signal.SIGKILL)
    live.event("agent-died")
    del live.said[:]
    live.lab.watch(live.hear)
    report = from_json(LabReport, live.said[0]["lab"])
    assert report.node("a").stale
    assert [lack.what for lack in lacks(plan, report)] == ["node a"]


def test_a_stopped_agent_is_stale_and_believed_again_when_it_goes_on(live):
    plan = live.plan()
    live.apply(plan)
    pid = live.await_ready(plan).node("a").agent_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        report = live.report()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert report.node("a").stale
    assert not report.node("b").stale
    assert "does not answer" in str(lacks(plan, report)[0])
    live.await_ready(plan)


def test_a_stopped_agent_does_not_keep_the_lab_from_ending(live):
    live.apply(live.plan())
    os.kill(live.await_ready(live.plan()).node("a").agent_pid, signal.SIGSTOP)
    live.lab.shutdown()
    assert Netns(live.name).find() == ()

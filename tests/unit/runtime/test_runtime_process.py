"""The lab process when what it depends on does not answer: substrate and agents are stand-ins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.errors import HostCannot
from lab.loop import Loop
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.runtime.nodes import Nodes
from lab.runtime.process import STALE_AFTER_S, LabProcess
from lab.spec.load import reference

PLAN = compile_plan(reference())
KEYS = {tunnel.name: "a-key_of-20_letters-" for tunnel in PLAN.tunnels}
NO_DOCKER = HostCannot("no Docker daemon answers", mend="start it")


class Containers:
    """A substrate whose daemon has gone away since the nodes were made."""

    def __init__(self, _lab):
        self.made = False

    def make(self, nodes, _links):
        if not nodes:
            raise NO_DOCKER
        self.made = True

    def destroy(self):
        if self.made:
            raise NO_DOCKER

    def delete_link(self, _link): ...

    def condition(self, _node):
        raise NO_DOCKER


class SilentAgent:
    """Takes questions, if `hears`, and never answers."""

    restarts = 0
    last_exit = None
    pid = None

    def __init__(self, *, hears):
        self.hears = hears

    def give(self, _plan): ...

    def ask(self, _number):
        return self.hears

    def leave(self): ...

    def join(self, _deadline): ...


@pytest.mark.parametrize("hears", [True, False])
def test_a_report_is_given_once_though_nobody_knows_what_became_of_the_nodes(tmp_path, hears):
    now = [0.0]
    loop = Loop(lambda: now[0])
    lab = LabProcess(loop, tmp_path, Nodes(Containers, lambda *_: SilentAgent(hears=hears)))
    lab.apply(to_json(PLAN), KEYS)
    replies = []
    lab.report(replies.append)
    now[0] += STALE_AFTER_S
    loop.call_at(now[0], loop.stop)
    loop.run()
    loop.close()
    (reply,) = replies
    for node in reply["result"]["nodes"]:
        assert node["stale"]
        assert node["agent_last_exit"] == "what became of it is not known: no Docker daemon answers"


def test_a_change_that_fails_half_way_says_that_the_lab_was_ended(tmp_path):
    loop = Loop(lambda: 0.0)
    lab = LabProcess(loop, tmp_path, Nodes(Containers, lambda *_: SilentAgent(hears=False)))
    lab.apply(to_json(PLAN), KEYS)
    with pytest.raises(HostCannot, match="the lab was ended: no Docker daemon answers") as raised:
        lab.apply(to_json(replace(PLAN, links=PLAN.links[1:])), KEYS)
    assert "vpnlab up" in str(raised.value)
    said = []
    lab.report(said.append)
    assert said[0]["result"]["nodes"] == []
    assert said[0]["result"]["plan_digest"] == ""
    loop.close()

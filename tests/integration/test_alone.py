"""Nodes that run alone, without a lab process: they are given bundles, and are tried where nodes can run.

The guest of a running lab is such a place, and so is a host that has brought the lab up itself.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from pathlib import Path
from secrets import SystemRandom

import pytest
from there import put_sources

from lab.cloud.keys import generate_psk
from lab.export.bundles import bundles
from lab.plan.bundle import keys_of
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.spec.load import reference
from lab.substrate import pace

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

THERE = "/tmp/alone"  # noqa: S108 - in the guest, which is this test's own
PYTHON = ["env", f"PYTHONPATH={THERE}", "python3"]


class Running:
    """A command beside the nodes of a lab, whose lines are awaited."""

    def __init__(self, lab, client, argv):
        self._client = client
        self._buffer = b""
        self.lines = []
        self.exit = None
        lab.start_exec(client, None, argv)

    def feed(self, text):
        self._client.send({"input": b64encode(text.encode()).decode()})

    def end_input(self):
        self._client.send({"input_end": True})

    def signal(self, name):
        self._client.send({"signal": name})

    def wait_for(self, predicate, what, *, within_s=60.0):
        """Until the lines so far, output and errors alike, fulfil the predicate."""
        deadline = time.monotonic() + within_s * pace.slowness()
        while not predicate(self.lines):
            message = self._client.receive(deadline - time.monotonic())
            assert message is not None, f"no {what}; last: {self.lines[-20:]}"
            assert "error" not in message, message
            if "result" in message:
                self.exit = message["result"]["exit"]
                assert predicate(self.lines), f"no {what}, and the command ended with {self.exit}: {self.lines[-20:]}"
                break
            data = b64decode(message.get("out", "")) + b64decode(message.get("err", ""))
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            self.lines += [line.decode() for line in lines]

    def wait(self):
        self.wait_for(lambda _: self.exit is not None, "end")
        return self.exit


def test_the_nodes_of_a_lab_come_up_and_forward_from_their_bundles_alone_and_leave_nothing(running_lab):
    plan = compile_plan(reference().model_copy(update={"name": "alone"}))
    keys = {pair.name: generate_psk(SystemRandom()) for pair in plan.tunnels}
    order = {
        "lab": plan.name,
        "links": to_json(plan.links),
        "bundles": {name: to_json(bundle) for name, bundle in bundles(plan).items()},
        "keys": {node.name: keys_of(node, keys) for node in plan.nodes},
    }
    names = [node.name for node in plan.nodes]
    put_sources(running_lab, THERE, Path(__file__).with_name("lone_nodes.py"))
    with running_lab.session() as client:
        nodes = Running(running_lab, client, [*PYTHON, f"{THERE}/lone_nodes.py"])
        nodes.feed(json.dumps(order) + "\n")
        learned = ["bgw1 route 172.16.1.0/24 (bgp)", "hq-gw route 10.0.1.0/24 (bgp)", "vpc-app route 172.16.1.0/24"]
        nodes.wait_for(
            lambda lines: (
                all(any(line.startswith(f"{name} ready") for line in lines) for name in names)
                and all(any(line.startswith(route) for line in lines) for route in learned)
            ),
            "readiness of all nodes",
        )
        ping = ["ip", "netns", "exec", "vpnlab.alone.vm1", "ping", "-c", "3", "-W", "5", "172.16.1.10"]
        answer = running_lab.exec(None, ping)
        assert answer.returncode == 0, (answer.stdout, nodes.lines)
        health = running_lab.exec(None, [*PYTHON, "-m", "lab.runtime.health", "/run/vpnlab-alone/bgw1"])
        assert (health.returncode, health.stdout) == (0, b""), health
        nodes.end_input()
        assert nodes.wait() == 0
    ends = [line for line in nodes.lines if " ended" in line or " exit " in line or line.startswith("left ")]
    assert sorted(ends) == sorted(
        line for name in names for line in (f"{name} ended; nothing is left", f"{name} exit 0", f"left {name} []")
    )
    assert not running_lab.status().lacking, "the guest's own lab was disturbed"

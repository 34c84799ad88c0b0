"""Nodes that run alone, without a lab process: they are given bundles, and are tried where nodes can run.

The guest of a running lab is such a place, and so is a host that has brought the lab up itself.
"""

from __future__ import annotations

import json
from secrets import SystemRandom

import pytest
from running import Running

from lab.cloud.keys import generate_psk
from lab.export.bundles import bundles
from lab.plan.bundle import keys_of
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.spec.load import reference

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_the_nodes_of_a_lab_come_up_and_forward_from_their_bundles_alone_and_leave_nothing(running_lab, python_there):
    plan = compile_plan(reference().model_copy(update={"name": "alone"}))
    keys = {pair.name: generate_psk(SystemRandom()) for pair in plan.tunnels}
    order = {
        "lab": plan.name,
        "links": to_json(plan.links),
        "bundles": {name: to_json(bundle) for name, bundle in bundles(plan).items()},
        "keys": {node.name: keys_of(node, keys) for node in plan.nodes},
    }
    names = [node.name for node in plan.nodes]
    with running_lab.session() as client:
        nodes = Running(running_lab, client, [*python_there, "-m", "lone_nodes"])
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
        health = running_lab.exec(None, [*python_there, "-m", "lab.runtime.health", "/run/vpnlab-alone/bgw1"])
        assert (health.returncode, health.stdout) == (0, b""), health
        nodes.end_input()
        assert nodes.wait() == 0
    ends = [line for line in nodes.lines if " ended" in line or " exit " in line or line.startswith("left ")]
    assert sorted(ends) == sorted(
        line for name in names for line in (f"{name} ended; nothing is left", f"{name} exit 0", f"left {name} []")
    )
    assert not running_lab.status().lacking, "the guest's own lab was disturbed"

"""The reference topology compiled: every number of the plan against a file that people can read and compare."""

from __future__ import annotations

import json
from pathlib import Path

from lab.plan.codec import digest, from_json, to_json
from lab.plan.compile import compile_plan
from lab.plan.model import LabPlan
from lab.spec.load import reference

GOLDEN = Path(__file__).parent / "golden" / "ha.json"
"""After a change that is meant: python -m tests.unit.plan.test_plan_compile, and read the difference."""


def golden() -> str:
    return json.dumps(to_json(compile_plan(reference())), indent=1) + "\n"


def test_the_reference_plan_is_as_it_was_read_and_found_right():
    assert json.loads(golden()) == json.loads(GOLDEN.read_text()), "see GOLDEN"


def test_the_same_file_gives_the_same_plan():
    assert digest(compile_plan(reference())) == digest(compile_plan(reference()))


def test_a_plan_survives_its_way_to_the_lab():
    plan = compile_plan(reference())
    assert from_json(LabPlan, json.loads(json.dumps(to_json(plan)))) == plan


def test_every_link_end_is_an_interface_of_its_node_with_that_mac():
    plan = compile_plan(reference())
    interfaces = {(node.name, port.name, port.mac) for node in plan.nodes for port in node.interfaces}
    ends = [(end.node, end.interface, end.mac) for link in plan.links for end in (link.a, link.b)]
    assert sorted(ends) == sorted(interfaces)
    assert len({mac for _, _, mac in ends}) == len(ends)


def test_both_ends_of_a_tunnel_and_of_its_session_mirror_each_other():
    plan = compile_plan(reference())
    for pair in plan.tunnels:
        cloud, idc = plan.node(pair.cloud_node), plan.node(pair.idc_node)
        (here,) = (tunnel for tunnel in cloud.endpoint.tunnels if tunnel.name == pair.name)
        (there,) = (tunnel for tunnel in idc.endpoint.tunnels if tunnel.name == pair.name)
        assert (here.local_address, here.remote_address) == (there.remote_address, there.local_address)
        (ours,) = (neighbor for neighbor in cloud.speaker.neighbors if neighbor.name == pair.name)
        (theirs,) = (neighbor for neighbor in idc.speaker.neighbors if neighbor.name == pair.name)
        assert (ours.local_address, ours.peer_address) == (theirs.peer_address, theirs.local_address)
        assert (ours.peer_as, theirs.peer_as) == (idc.speaker.local_as, cloud.speaker.local_as)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(golden())

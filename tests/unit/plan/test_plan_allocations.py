"""What stays in a lab keeps its numbers, whatever comes and goes beside it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.plan.allocations import Allocations, Numbering
from lab.plan.codec import from_json, to_json
from lab.plan.compile import Compiled, compile_again
from lab.plan.resources import resources_of
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.model import LabSpec

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())
Edit = Callable[[dict[str, Any]], object]


def spec_after(*edits: Edit) -> LabSpec:
    tree = copy.deepcopy(TREE)
    for edit in edits:
        edit(tree)
    return parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f")


def compiled_after(*edits: Edit, kept: Allocations | None = None) -> Compiled:
    return compile_again(spec_after(*edits), kept)


def hq(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = tree["cloud"]["vpn_connections"]["hq"]
    return part


def without_tunnel(number: int) -> Edit:
    return lambda tree: hq(tree)["tunnels"].pop(number - 1)


def left_to_the_cloud(tree: dict[str, Any]) -> None:
    for key in ("public_addresses", "tunnels"):
        del hq(tree)[key]


def before_it(tree: dict[str, Any]) -> None:
    """Another customer with a connection, ahead of all others in the file."""
    cloud, devices = tree["cloud"], tree["idc"]["devices"]
    cloud["customer_gateways"] = {
        "b1": {"asn": 65020, "public_addresses": ["198.51.100.77"]}, **cloud["customer_gateways"]
    }  # fmt: skip
    connection = {"border_gateway": "bgw1", "customer_gateway": "b1"}
    cloud["vpn_connections"] = {"b1": connection, **cloud["vpn_connections"]}
    lans = {"b1-lan": {"cidr": "172.16.9.0/24", "hosts": {"b1-host": "172.16.9.10"}}}
    tree["idc"]["devices"] = {"b1-gw": {"customer_gateway": "b1", "lans": lans}, **devices}


def another_vpc(tree: dict[str, Any]) -> None:
    cloud = tree["cloud"]
    vpc = {"cidr": "10.9.0.0/16", "subnets": {"a": "10.9.1.0/24"},
           "instances": {"vm9": {"subnet": "a", "address": "10.9.1.10"}}}  # fmt: skip
    cloud["vpcs"] = {"other": vpc, **cloud["vpcs"]}
    cloud["vpc_attachments"].insert(0, {"vpc": "other", "border_gateway": "bgw1"})


def ends(compiled: Compiled) -> dict[tuple[str, str], object]:
    return {
        (node.name, tunnel.name): tunnel
        for node in compiled.plan.nodes
        for tunnel in (node.endpoint.tunnels if node.endpoint else ())
    }


def sessions(compiled: Compiled) -> dict[tuple[str, str], object]:
    return {
        (node.name, neighbor.name): neighbor
        for node in compiled.plan.nodes
        for neighbor in (node.speaker.neighbors if node.speaker else ())
    }


def ports(compiled: Compiled) -> dict[tuple[str, str], object]:
    return {(node.name, port.mac): port for node in compiled.plan.nodes for port in node.interfaces}


def common(before: dict[Any, object], after: dict[Any, object]) -> set[Any]:
    return before.keys() & after.keys()


def test_a_tunnel_that_stays_keeps_everything_when_the_one_before_it_goes():
    before = compiled_after()
    after = compiled_after(without_tunnel(1), kept=before.allocations)
    assert {name for _, name in ends(after)} == {"hq-2"}
    for end in ends(after):
        assert ends(after)[end] == ends(before)[end]
        assert sessions(after)[end] == sessions(before)[end]
    assert after.plan.links == before.plan.links
    assert after.plan.node("bgw1").speaker.router_id == before.plan.node("bgw1").speaker.router_id


@pytest.mark.parametrize("also", [None, left_to_the_cloud])
@pytest.mark.parametrize("coming", [before_it, another_vpc])
def test_what_stays_keeps_its_numbers_when_something_comes_and_goes_before_it(also, coming):
    edits = (also,) if also else ()
    first = compiled_after(*edits)
    larger = compiled_after(*edits, coming, kept=first.allocations)
    again = compiled_after(*edits, kept=larger.allocations)
    assert {mac for _, mac in ports(larger)} > {mac for _, mac in ports(first)}
    for one, other in ((first, larger), (larger, again)):
        for part in (ends, ports):
            before, after = part(one), part(other)
            assert all(after[key] == before[key] for key in common(before, after))
    assert again.plan == first.plan


def test_a_new_tunnel_takes_no_number_that_is_in_use():
    one = compiled_after(without_tunnel(1))
    both = compiled_after(kept=one.allocations)
    numbers = {name: tunnel.if_id for (node, name), tunnel in ends(both).items() if node == "bgw1"}
    assert numbers == {"hq-1": 1, "hq-2": 2}
    inner = {name: str(tunnel.inner.network) for (_, name), tunnel in ends(both).items()}
    assert inner == {"hq-1": "169.254.10.4/30", "hq-2": "169.254.10.0/30"}


def test_an_inner_network_that_is_left_out_later_stays_the_one_that_was_written():
    written = compiled_after(lambda tree: hq(tree)["tunnels"][0].update(inner="10.255.0.0/30"))
    left_out = lambda tree: hq(tree)["tunnels"][0].pop("inner")  # noqa: E731 - an edit as the others
    assert ends(compiled_after(left_out, kept=written.allocations)) == ends(written)


def test_an_inner_network_that_another_tunnel_is_given_by_name_is_a_change_that_the_cloud_sees():
    left_out = lambda tree: hq(tree)["tunnels"][0].pop("inner")  # noqa: E731
    before = compiled_after(left_out)
    spec = spec_after(left_out)
    had = next(r for r in resources_of(spec, before.allocations).values() if "198.51.100.10" in r.key.name)
    assert str(had.settings["inner"]) == "169.254.10.0/30"
    taken = lambda tree: hq(tree)["tunnels"][1].update(inner="169.254.10.0/30")  # noqa: E731
    after = compiled_after(left_out, taken, kept=before.allocations)
    has = resources_of(spec_after(left_out, taken), after.allocations)[had.key]
    assert str(has.settings["inner"]) == "169.254.10.8/30"


def test_allocations_survive_their_way_through_a_file():
    found = compiled_after().allocations
    assert from_json(Allocations, json.loads(json.dumps(to_json(found)))) == found


def test_the_same_file_again_changes_nothing():
    before = compiled_after()
    assert compiled_after(kept=before.allocations) == before


def test_a_pool_without_room_says_for_whom():
    numbering = Numbering()
    numbering.take("inner", "a", (7,))
    with pytest.raises(ValueError, match="no inner is left for b"):
        numbering.take("inner", "b", (7,))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=8))
def test_numbers_are_unique_kept_and_stay_small(generations: list[list[str]]) -> None:
    kept: Allocations | None = None
    for things in generations:
        numbering = Numbering(kept)
        for thing in things:
            numbering.take("series", thing)
        before = kept.series.get("series", {}) if kept else {}
        kept = numbering.allocations()
        now = kept.series.get("series", {})
        assert len(set(now.values())) == len(now) == len(things)
        assert all(now[thing] == before[thing] for thing in things if thing in before)
        assert max(now.values(), default=0) <= 2 * len("abcdef")

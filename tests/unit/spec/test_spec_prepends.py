"""AS-path prepending in a topology file: on tunnels of the device's own, once on each; and in the plan."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from lab.errors import SpecError
from lab.plan.compile import compile_plan
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.model import LabSpec

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())
HERE = "idc.devices.hq-gw.as_path_prepends"


def spec_with(*entries: dict[str, object], bgp: bool = True) -> LabSpec:
    tree = copy.deepcopy(TREE)
    tree["cloud"]["vpn_connections"]["hq"]["bgp"] = bgp
    tree["idc"]["devices"]["hq-gw"]["as_path_prepends"] = [{"vpn_connection": "hq", "times": 2} | e for e in entries]
    return parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f")


@pytest.mark.parametrize(
    ("entries", "where", "what"),
    [
        ([{"times": 0}], "[0].times", "0 is not in 1-10"),
        ([{"times": 11}], "[0].times", "11 is not in 1-10"),
        ([{"times": "two"}], "[0].times", "'two' is not a whole number"),
        ([{"vpn_connection": "h"}], "[0].vpn_connection", "there is no VPN connection to customer gateway hq 'h'"),
        ([{"cloud_address": "203.0.113.30"}], "[0].cloud_address", "203.0.113.30 is at no end of the connection's"),
        ([{"customer_address": "192.0.2.11"}], "[0].customer_address", "192.0.2.11 is at no end of the connection's"),
        ([{}, {"customer_address": "192.0.2.10"}], "[1]", f"it concerns tunnels of {HERE}[0] too"),
        (
            [{"cloud_address": "203.0.113.10"}, {"customer_address": "192.0.2.10"}],
            "[1]",
            f"it concerns tunnels of {HERE}[0] too",
        ),
    ],
)
def test_what_cannot_be_prepended_is_refused(entries: list[dict[str, object]], where: str, what: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_with(*entries)
    ((found_where, found_what),) = [(problem.where, problem.what) for problem in caught.value.problems]
    assert found_where == HERE + where
    assert what in found_what


def test_a_connection_without_bgp_has_no_as_path() -> None:
    with pytest.raises(SpecError) as caught:
        spec_with({}, bgp=False)
    assert [problem.what for problem in caught.value.problems] == ["VPN connection hq has BGP off"]


@pytest.mark.parametrize(
    ("entries", "prepends"),
    [
        ([], [0, 0]),
        ([{}], [2, 2]),
        ([{"customer_address": "192.0.2.10", "times": 10}], [0, 10]),
        ([{"cloud_address": "203.0.113.10", "times": 1}, {"cloud_address": "203.0.113.20"}], [1, 2]),
    ],
)
def test_the_sessions_of_the_tunnels_that_are_meant_are_prepended(
    entries: list[dict[str, object]], prepends: list[int]
) -> None:
    plan = compile_plan(spec_with(*entries))
    for node, wanted in (("hq-gw", prepends), ("bgw1", [0, 0])):
        speaker = plan.node(node).speaker
        assert speaker is not None
        assert [neighbor.prepend for neighbor in speaker.neighbors] == wanted

"""Policy mode in a topology file and in its plan: selectors that one child SA can have, and no BGP with them."""

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
HERE = "cloud.vpn_connections.hq"
WEB, DB, LAN, LAB_LAN = "10.0.1.0/24", "10.0.2.0/24", "172.16.1.0/24", "172.16.3.0/24"


def selector(local: str, *remote: str) -> dict[str, object]:
    return {"local_subnet": local, "remote_subnets": list(remote)}


def spec_with(*selectors: object, bgp: bool = False, ike_version: str = "v2") -> LabSpec:
    tree = copy.deepcopy(TREE)
    connection = tree["cloud"]["vpn_connections"]["hq"]
    connection |= {"bgp": bgp, "traffic_selectors": list(selectors)}
    connection["tunnels"][0]["ike_version"] = ike_version
    return parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f")


def problem_of(*selectors: object, **how: Any) -> tuple[str, str]:
    with pytest.raises(SpecError) as caught:
        spec_with(*selectors, **how)
    (problem,) = caught.value.problems
    return problem.where, problem.what


def test_bgp_is_refused_because_its_addresses_are_in_no_selector() -> None:
    where, what = problem_of(selector(WEB, LAN), bgp=True)
    assert where == f"{HERE}.traffic_selectors"
    assert what == "BGP is on, and its session would not fit the selectors"


@pytest.mark.parametrize(
    ("selectors", "where", "what"),
    [
        ([], "", "it names no selector"),
        ([selector(WEB)], "[0].remote_subnets", "no remote subnet is named"),
        ([selector(WEB, LAN, LAN)], "[0].remote_subnets", "a remote subnet stands twice"),
        ([selector(WEB, LAN), selector(WEB, LAN)], "[1].local_subnet", f"{WEB} is the local subnet of another"),
        ([selector(WEB, LAN), selector(DB, LAB_LAN)], "[1].remote_subnets", "its remote subnets are not those of"),
        ([selector("10.0.1.1/24", LAN)], "[0].local_subnet", "'10.0.1.1/24' has bits set behind its prefix"),
        ([{"local_subnet": WEB}], "[0]", "the key 'remote_subnets' is missing"),
        ([selector(WEB, "everything")], "[0].remote_subnets[0]", "'everything' is not an IPv4 range"),
    ],
)
def test_selectors_that_a_tunnel_cannot_have_are_refused(selectors: list[object], where: str, what: str) -> None:
    found_where, found_what = problem_of(*selectors)
    assert found_where == f"{HERE}.traffic_selectors{where}"
    assert what in found_what


@pytest.mark.parametrize("selectors", [[selector(WEB, LAN, LAB_LAN)], [selector(WEB, LAN), selector(DB, LAN)]])
def test_ikev1_takes_one_pair_of_subnets(selectors: list[object]) -> None:
    where, what = problem_of(*selectors, ike_version="v1")
    assert (where, what) == (f"{HERE}.tunnels[0].ike_version", "v1 cannot carry several selectors")
    assert spec_with(selector(WEB, LAN), ike_version="v1")


def test_both_ends_of_each_tunnel_have_the_selectors_mirrored() -> None:
    plan = compile_plan(spec_with(selector(WEB, LAN, LAB_LAN), selector(DB, LAB_LAN, LAN)))
    for node, ours, theirs in (("bgw1", [WEB, DB], [LAN, LAB_LAN]), ("hq-gw", [LAN, LAB_LAN], [WEB, DB])):
        endpoint = plan.node(node).endpoint
        assert endpoint is not None
        for tunnel in endpoint.tunnels:
            assert ([*map(str, tunnel.local_ts)], [*map(str, tunnel.remote_ts)]) == (ours, theirs)


@pytest.mark.parametrize(
    ("selectors", "pings"), [([selector(WEB, LAN)], 2), ([selector(DB, LAN)], 0), ([selector(WEB, LAB_LAN)], 0)]
)
def test_a_tunnel_is_proved_by_hosts_in_its_selectors(selectors: list[object], pings: int) -> None:
    assert len(compile_plan(spec_with(*selectors)).pings) == pings

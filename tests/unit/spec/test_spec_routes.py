"""Routes in a topology file: each leads to something that is there, once, and within the quota."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from lab.errors import SpecError
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.model import LabSpec

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())
BGW = "cloud.border_gateways.bgw1.static_routes"
APP = "cloud.vpcs.app"
DEVICE = "idc.devices.hq-gw.static_routes"
TO_HQ = {"destination": "172.16.0.0/16", "vpn_connection": "hq"}


def spec_with(bgw: object = (), routes: object = (), propagations: object = None, device: object = ()) -> LabSpec:
    tree = copy.deepcopy(TREE)
    tree["cloud"]["border_gateways"]["bgw1"]["static_routes"] = bgw
    tree["cloud"]["vpcs"]["app"]["routes"] = routes
    if propagations is not None:
        tree["cloud"]["vpcs"]["app"]["route_propagations"] = propagations
    tree["idc"]["devices"]["hq-gw"]["static_routes"] = device
    return parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f")


def problems(**edits: object) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        spec_with(**{key: list(value) if isinstance(value, tuple) else value for key, value in edits.items()})
    return [(problem.where, problem.what) for problem in caught.value.problems if problem.line]


def rule(**settings: object) -> dict[str, object]:
    return {"destination": "172.16.0.0/16", "border_gateway": "bgw1", **settings}


@pytest.mark.parametrize(
    ("edits", "where", "what"),
    [
        ({"bgw": [{"destination": "172.16.0.0/16"}]}, f"{BGW}[0]", "one of vpn_connection and vpc is to be named"),
        ({"bgw": [{**TO_HQ, "vpc": "app"}]}, f"{BGW}[0]", "one of vpn_connection and vpc is to be named"),
        (
            {"bgw": [{**TO_HQ, "vpn_connection": "hp"}]},
            f"{BGW}[0].vpn_connection",
            "there is no VPN connection of border gateway bgw1 'hp'",
        ),
        (
            {"bgw": [{"destination": "172.16.0.0/16", "vpc": "ap"}]},
            f"{BGW}[0].vpc",
            "there is no VPC attached to border gateway bgw1 'ap'",
        ),
        ({"bgw": [TO_HQ, TO_HQ]}, f"{BGW}[1]", f"it is the route of {BGW}[0] too"),
        ({"bgw": [{**TO_HQ, "destination": "172.16.0.1/16"}]}, f"{BGW}[0].destination", "has bits set"),
        ({"bgw": [{**TO_HQ, "destination": "224.0.0.0/8"}]}, f"{BGW}[0].destination", "no host can have"),
        (
            {"routes": [rule(border_gateway="bgw")]},
            f"{APP}.routes[0].border_gateway",
            "there is no border gateway that VPC app is attached to 'bgw'",
        ),
        ({"routes": [rule(priority=0)]}, f"{APP}.routes[0].priority", "0 is not in 1-255"),
        ({"routes": [rule(priority=256)]}, f"{APP}.routes[0].priority", "256 is not in 1-255"),
        ({"routes": [rule(), rule(priority=7)]}, f"{APP}.routes[1]", f"it is the route of {APP}.routes[0] too"),
        (
            {"propagations": [{"border_gateway": "b"}]},
            f"{APP}.route_propagations[0].border_gateway",
            "there is no border gateway that VPC app is attached to 'b'",
        ),
        (
            {"propagations": [{"border_gateway": "bgw1", "priority": 100}]},
            f"{APP}.route_propagations[0].priority",
            "100 is not in 101-255",
        ),
        (
            {"device": [{**TO_HQ, "vpn_connection": "x"}]},
            f"{DEVICE}[0].vpn_connection",
            "there is no VPN connection to customer gateway hq 'x'",
        ),
        ({"device": [TO_HQ, TO_HQ]}, f"{DEVICE}[1]", f"it is the route of {DEVICE}[0] too"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(edits: dict[str, object], where: str, what: str) -> None:
    ((found_where, found_what),) = problems(**edits)
    assert found_where == where
    assert what in found_what


def many(count: int) -> list[dict[str, object]]:
    return [{"destination": f"172.20.{number}.0/24", "vpn_connection": "hq"} for number in range(count)]


def test_a_border_gateway_has_fifty_static_routes() -> None:
    assert len(spec_with(bgw=many(50)).cloud.border_gateways["bgw1"].static_routes) == 50
    assert problems(bgw=many(51)) == [(f"{BGW}[50]", "51 static routes are given; 50 is the quota")]


def test_what_is_left_out_is_the_clouds_default() -> None:
    spec = spec_with(routes=[rule()], propagations=[{"border_gateway": "bgw1"}])
    app = spec.cloud.vpcs["app"]
    assert app.routes[0].priority == 100
    assert app.route_propagations is not None
    assert (app.route_propagations[0].priority, str(app.route_propagations[0].cidrs[0])) == (150, "0.0.0.0/0")


def test_everything_may_be_a_destination() -> None:
    spec = spec_with(device=[{"destination": "0.0.0.0/0", "vpn_connection": "hq"}])
    assert str(spec.idc.devices["hq-gw"].static_routes[0].destination) == "0.0.0.0/0"

"""Every quota: a file at it is taken, a file beyond it refused where it begins to be too much."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from lab.cloud import quotas
from lab.cloud.quotas import Quota, tunnels_quota
from lab.errors import Problem, SpecError
from lab.plan import tunnels as tunnels_plan
from lab.plan.compile import compile_plan
from lab.spec.fields import INNER_RANGES
from lab.spec.load import REFERENCE, parse_topology

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())

Grow = Callable[[dict[str, Any], int], object]


def problems_of(tree: dict[str, Any]) -> tuple[Problem, ...]:
    try:
        parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f.yaml")
    except SpecError as error:
        return error.problems
    return ()


def border_gateways(cloud: dict[str, Any], count: int) -> None:
    cloud["border_gateways"] |= {f"b{number}": {} for number in range(2, count + 1)}


def customer_gateways(cloud: dict[str, Any], count: int) -> None:
    cloud["customer_gateways"] |= {
        f"c{number}": {"asn": 65001, "public_addresses": [f"192.0.2.{100 + number}"]} for number in range(2, count + 1)
    }


def attachments(cloud: dict[str, Any], count: int) -> None:
    cloud["vpcs"] |= {f"v{number}": {"cidr": f"10.{number}.0.0/16"} for number in range(2, count + 1)}
    cloud["vpc_attachments"] += [{"vpc": f"v{number}", "border_gateway": "bgw1"} for number in range(2, count + 1)]


def connections(cloud: dict[str, Any], count: int) -> None:
    cloud["vpn_connections"] |= {
        f"v{number}": {"border_gateway": "bgw1", "customer_gateway": "hq"} for number in range(2, count + 1)
    }


def customer_addresses(cloud: dict[str, Any], count: int) -> None:
    cloud["customer_gateways"]["hq"]["public_addresses"] = [f"192.0.2.{10 + number}" for number in range(count)]
    del cloud["vpn_connections"]["hq"]["tunnels"]


def cloud_addresses(cloud: dict[str, Any], count: int) -> None:
    cloud["vpn_connections"]["hq"]["public_addresses"] = [f"203.0.113.{10 + number}" for number in range(count)]
    del cloud["vpn_connections"]["hq"]["tunnels"]


def tunnels(cloud: dict[str, Any], count: int) -> None:
    pairs = [(here, there) for here in ("203.0.113.10", "203.0.113.20") for there in ("198.51.100.10", "192.0.2.10")]
    cloud["vpn_connections"]["hq"]["tunnels"] = [
        {"cloud_address": here, "customer_address": there} for here, there in (pairs * 2)[:count]
    ]


AT_AND_BEYOND: tuple[tuple[Quota, Grow, str], ...] = (
    (quotas.BORDER_GATEWAYS, border_gateways, "cloud.border_gateways.b6"),
    (quotas.CUSTOMER_GATEWAYS, customer_gateways, "cloud.customer_gateways.c11"),
    (quotas.VPC_ATTACHMENTS, attachments, "cloud.vpc_attachments[50]"),
    (quotas.VPN_CONNECTIONS, connections, "cloud.vpn_connections.v11"),
    (tunnels_quota(2), tunnels, "cloud.vpn_connections.hq.tunnels[4]"),
    (quotas.CUSTOMER_ADDRESSES, customer_addresses, "cloud.customer_gateways.hq.public_addresses"),
    (quotas.CLOUD_ADDRESSES, cloud_addresses, "cloud.vpn_connections.hq.public_addresses"),
)


@pytest.mark.parametrize(("quota", "grow", "where"), AT_AND_BEYOND, ids=[str(case[0]) for case in AT_AND_BEYOND])
def test_at_the_quota_a_file_is_taken(quota: Quota, grow: Grow, where: str) -> None:  # noqa: ARG001
    tree = copy.deepcopy(TREE)
    grow(tree["cloud"], quota.limit)
    assert problems_of(tree) == ()


@pytest.mark.parametrize(("quota", "grow", "where"), AT_AND_BEYOND, ids=[str(case[0]) for case in AT_AND_BEYOND])
def test_beyond_the_quota_a_file_is_refused_at_its_line(quota: Quota, grow: Grow, where: str) -> None:
    tree = copy.deepcopy(TREE)
    grow(tree["cloud"], quota.limit + 1)
    found = problems_of(tree)
    there = [problem for problem in found if problem.where == where]
    problem = next(problem for problem in there if str(quota.limit) in problem.what + problem.mend)
    assert problem.line
    assert problem.why
    assert problem.mend


def test_what_is_beyond_is_named_once_with_the_number() -> None:
    tree = copy.deepcopy(TREE)
    border_gateways(tree["cloud"], 9)
    (problem,) = problems_of(tree)
    assert problem.what == "9 border gateways are given; 5 is the quota"
    assert problem.why == "the cloud gives 5 border gateways per region"
    assert problem.mend == "remove 4 of them"


def test_a_quota_is_each_holder_s_own() -> None:
    tree = copy.deepcopy(TREE)
    cloud = tree["cloud"]
    border_gateways(cloud, 2)
    connections(cloud, 10)
    for number in range(11, 21):
        cloud["vpn_connections"][f"v{number}"] = {"border_gateway": "b2", "customer_gateway": "hq"}
    assert problems_of(tree) == ()
    cloud["vpn_connections"]["v21"] = {"border_gateway": "b2", "customer_gateway": "hq"}
    (problem,) = problems_of(tree)
    assert problem.where == "cloud.vpn_connections.v21"


@pytest.mark.parametrize(("addresses", "limit"), [(1, 2), (2, 4), (4, 8)])
def test_tunnels_are_twice_the_customer_s_addresses(addresses: int, limit: int) -> None:
    assert tunnels_quota(addresses).limit == limit


LIMITS = {
    quotas.BORDER_GATEWAYS: 5,
    quotas.VPN_CONNECTIONS: 10,
    quotas.VPC_ATTACHMENTS: 50,
    quotas.STATIC_ROUTES: 50,
    quotas.DYNAMIC_ROUTES: 300,
    quotas.CUSTOMER_GATEWAYS: 10,
    quotas.CUSTOMER_ADDRESSES: 4,
    quotas.CLOUD_ADDRESSES: 2,
    quotas.TUNNELS_OF_A_PAIR: 1,
}


@pytest.mark.parametrize(("quota", "limit"), LIMITS.items(), ids=map(str, LIMITS))
def test_a_quota_holds_exactly_its_limit(quota: Quota, limit: int) -> None:
    assert quota.limit == limit
    assert list(quota.beyond(range(limit))) == []
    assert list(quota.beyond(range(limit + 1))) == [limit]


def test_a_quota_reads_as_in_the_cloud_s_table() -> None:
    assert str(quotas.STATIC_ROUTES) == "50 static routes per border gateway"


def at_every_quota() -> dict[str, Any]:
    """5 border gateways, 10 customer gateways of 4 addresses, each connected to each."""
    customers = range(1, quotas.CUSTOMER_GATEWAYS.limit + 1)
    borders = range(1, quotas.BORDER_GATEWAYS.limit + 1)
    return {
        "vpnlab": 1,
        "name": "full",
        "cloud": {
            "border_gateways": {f"bgw{number}": {} for number in borders},
            "customer_gateways": {
                f"c{number}": {
                    "asn": 65_000 + number,
                    "public_addresses": [f"198.51.100.{10 * number + place}" for place in range(4)],
                }
                for number in customers
            },
            "vpn_connections": {
                f"v{border}-{customer}": {"border_gateway": f"bgw{border}", "customer_gateway": f"c{customer}"}
                for border in borders
                for customer in customers
            },
        },
        "idc": {"devices": {f"gw{number}": {"customer_gateway": f"c{number}"} for number in customers}},
    }


def test_a_file_at_every_quota_is_planned_with_addresses_of_its_own_for_each_tunnel() -> None:
    spec = parse_topology(yaml.safe_dump(at_every_quota()).encode(), "f")
    found = [tunnel for connection in tunnels_plan.connections(spec) for tunnel in connection.tunnels]
    assert len(found) == 5 * 10 * 4
    assert len({tunnel.inner for tunnel in found}) == len(found)
    assert len(compile_plan(spec).tunnels) == len(found)


def test_all_pairs_of_a_file_at_every_quota_find_an_inner_network() -> None:
    tree = at_every_quota()
    public = (f"203.0.113.{number}" for number in range(1, 255))
    for connection in tree["cloud"]["vpn_connections"].values():
        connection["public_addresses"] = cloud = [next(public), next(public)]
        customer = tree["cloud"]["customer_gateways"][connection["customer_gateway"]]["public_addresses"]
        connection["tunnels"] = [{"cloud_address": a, "customer_address": b} for a in cloud for b in customer]
    spec = parse_topology(yaml.safe_dump(tree).encode(), "f")
    found = [tunnel for connection in tunnels_plan.connections(spec) for tunnel in connection.tunnels]
    assert len(found) == len({tunnel.inner for tunnel in found}) == 5 * 10 * 8
    assert all(tunnel.inner.subnet_of(INNER_RANGES[0]) for tunnel in found)

"""Ranges of settings that are no tunnel parameters, in the file: ends, defaults, one beyond each end, wrong types."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from lab.errors import SpecError
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.model import LabSpec

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())
WRONG_TYPES: tuple[object, ...] = ([], {}, "", None, "x", 1.5, True, [100])


def with_priority(kind: str, **priority: object) -> LabSpec:
    tree = copy.deepcopy(TREE)
    where = {"routes": {"destination": "172.16.0.0/16"}, "route_propagations": {}}[kind]
    tree["cloud"]["vpcs"]["app"][kind] = [{**where, "border_gateway": "bgw1", **priority}]
    return parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f")


def priority_of(spec: LabSpec, kind: str) -> int:
    app = spec.cloud.vpcs["app"]
    (entry,) = app.routes if kind == "routes" else app.route_propagations or ()
    return entry.priority


@pytest.mark.parametrize(
    ("kind", "given", "is_so"),
    [
        *(("routes", {"priority": value}, value) for value in (1, 2, 254, 255)),
        ("routes", {}, 100),
        *(("route_propagations", {"priority": value}, value) for value in (101, 102, 254, 255)),
        ("route_propagations", {}, 150),
    ],
)
def test_a_priority_in_its_range_is_taken(kind: str, given: dict[str, object], is_so: int) -> None:
    assert priority_of(with_priority(kind, **given), kind) == is_so


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("routes", value) for value in (0, 256, -1, *WRONG_TYPES)),
        *(("route_propagations", value) for value in (100, 256, 1, *WRONG_TYPES)),
    ],
)
def test_another_priority_is_refused_at_its_place(kind: str, value: object) -> None:
    with pytest.raises(SpecError) as caught:
        with_priority(kind, priority=value)
    assert {problem.where for problem in caught.value.problems} == {f"cloud.vpcs.app.{kind}[0].priority"}


def with_customer_addresses(value: object) -> LabSpec:
    tree = copy.deepcopy(TREE)
    tree["cloud"]["customer_gateways"]["hq"]["public_addresses"] = value
    del tree["cloud"]["vpn_connections"]["hq"]["tunnels"]
    return parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f")


def addresses(count: int) -> list[str]:
    return [f"198.51.100.{10 + number}" for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_customer_gateway_has_1_2_or_4_addresses(count: int) -> None:
    assert len(with_customer_addresses(addresses(count)).cloud.customer_gateways["hq"].public_addresses) == count


@pytest.mark.parametrize(
    "value",
    [
        *(addresses(count) for count in (0, 3, 5)),
        ["198.51.100.10"] * 2,
        "198.51.100.10",
        {},
        ["x"],
        [["198.51.100.10"]],
    ],
)
def test_another_number_of_addresses_or_one_address_twice_is_refused(value: object) -> None:
    with pytest.raises(SpecError) as caught:
        with_customer_addresses(value)
    (problem,) = caught.value.problems
    assert problem.where.startswith("cloud.customer_gateways.hq.public_addresses")

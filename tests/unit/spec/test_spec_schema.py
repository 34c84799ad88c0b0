"""The published JSON Schema."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from lab.spec.load import REFERENCE
from lab.spec.schema import json_schema

PUBLISHED = Path(__file__).parents[3] / "docs/vpnlab.schema.json"
TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())


def test_the_published_schema_is_that_of_the_model() -> None:
    assert json.loads(PUBLISHED.read_text()) == json_schema(), "write `vpnlab schema` to docs/vpnlab.schema.json"


def test_the_reference_fits_the_schema() -> None:
    Draft202012Validator.check_schema(json_schema())
    Draft202012Validator(json_schema()).validate(TREE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("timer",), "fast"),
        (("name",), "No"),
        (("vpnlab",), 2),
        (("cloud", "border_gateways", "bgw1", "asn"), 70_000),
        (("cloud", "border_gateways", "b.gw"), {}),
        (("cloud", "vpn_connections", "hq", "tunnels", 0, "inner"), "169.254.10.0/29"),
        (("cloud", "vpn_connections", "hq", "tunnels", 0, "psk"), "0xabc"),
        (("cloud", "vpn_connections", "hq", "tunnels", 0, "ike_dpd_sec"), 5),
        (("cloud", "vpcs", "app", "cidr"), "10.0.0.0/33"),
        (("idc", "devices", "hq-gw", "lans", "hq-lan", "hosts"), []),
    ],
)
def test_a_value_that_the_loader_refuses_does_not_fit_the_schema(path: tuple[str | int, ...], value: object) -> None:
    tree = copy.deepcopy(TREE)
    part: Any = tree
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert not Draft202012Validator(json_schema()).is_valid(tree)

"""The file of an endpoint alone: what is refused in it, and where its keys may lie."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from lab.errors import SpecError
from lab.spec.endpoint_load import load_endpoint, parse_endpoint
from lab.spec.schema import endpoint_json_schema

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples/endpoint"
PUBLISHED = ROOT / "docs/endpoint.schema.json"
CLOUD = (EXAMPLES / "cloud.yaml").read_text()
IDC = (EXAMPLES / "idc.yaml").read_text()


def problems(text):
    with pytest.raises(SpecError) as caught:
        parse_endpoint(text.encode(), "f")
    return [(p.line, p.where, p.what, p.mend) for p in caught.value.problems]


def edited(text, *edits):
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize("name", ["cloud", "idc"])
def test_an_example_is_fine(name):
    spec = parse_endpoint((EXAMPLES / f"{name}.yaml").read_bytes(), "f")
    assert spec.side == name
    assert [tunnel.psk_file for tunnel in spec.tunnels] == ["keys/office-1", "keys/office-2"]


def test_an_empty_file_is_refused_with_how_to_begin():
    ((_, _, what, mend),) = problems("")
    assert (what, "vpnlab_endpoint: 1" in mend) == ("is empty", True)


def test_every_problem_is_named_at_once_with_its_line_and_the_nearest_spelling():
    text = edited(CLOUD, ("side: cloud ", "sode: cloud "), ("[10.0.1.0/24]", "[10.0.1.0/33]"), ("/30", "/29"))
    found = problems(text)
    assert (6, "sode", "unknown key 'sode'", "did you mean side?") in found
    assert {(line, where) for line, where, _, _ in found} >= {(11, "announce[0]"), (16, "tunnels[0].inner")}
    assert any(what == "the key 'side' is missing" for _, _, what, _ in found)


@pytest.mark.parametrize(
    ("edit", "where", "what"),
    [
        (("side: cloud", "side: clod"), "side", "'clod' is not 'cloud' or 'idc'"),
        (("cloud_asn: 65000", "cloud_asn: 1"), "cloud_asn", "1 is not in 64512-65534"),
        (("customer_asn: 65010", "customer_asn: 64999"), "customer_asn", "64999 is not in 65001-65499"),
        (("customer_asn: 65010", "customer_asn: 65000"), "customer_asn", "both ends have ASN 65000"),
        (("customer_asn: 65010", ""), "", "the key 'customer_asn' is missing"),
        (("customer_asn: 65010", "bgp: false"), "announce", "prefixes are announced where BGP is off"),
        (("customer_asn: 65010", "bgp: false"), "", "the key 'routes' is missing"),
        (("169.254.10.4/30", "169.254.10.0/30"), "tunnels[1].inner",
         "169.254.10.0/30: the inner network of tunnels[0] too"),
        (("169.254.10.4/30", "100.64.0.0/30"), "tunnels[1].inner",
         "100.64.0.0/30 lies outside the ranges of inner networks"),
        (("169.254.10.4/30", "10.0.1.4/30"), "tunnels[1].inner", "10.0.1.4/30 overlaps 10.0.1.0/24 of announce[0]"),
        (("[10.0.1.0/24]", "[10.0.1.0/24]\nroutes: [192.0.2.0/24]"), "routes[0]",
         "the peer's address 192.0.2.10 is in 192.0.2.0/24 of routes[0]"),
        (("    psk_file: keys/office-2", ""), "tunnels[1]", "there is no key"),
        (("    psk_file: keys/office-2", "    psk_file: a\n    psk_secret: b"), "tunnels[1]",
         "psk_file and psk_secret are both given"),
        (("169.254.10.4/30", "169.254.10.4/30\n    cloud_inner_address: 169.254.10.1"),
         "tunnels[1].cloud_inner_address", "169.254.10.1 is no host of 169.254.10.4/30"),
        (("169.254.10.4/30", "169.254.10.4/30\n    dpd_retries: 9"), "tunnels[1]",
         "dpd_retries differs from that of tunnels[0]"),
        (("169.254.10.4/30", "169.254.10.4/30\n    ike_dpd_sec: 0\n    dpd_delay_sec: 9"),
         "tunnels[1].dpd_delay_sec", "dpd_delay_sec is set where DPD is off"),
        (("169.254.10.4/30", "169.254.10.4/30\n    own_address: 0.0.0.0"), "tunnels[1].own_address",
         "0.0.0.0 cannot be a public address"),
        (("tunnels:", "tunnels: []\nmore:"), "more", "unknown key 'more'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_where_it_stands(edit, where, what):
    assert (where, what) in {(w, t) for _, w, t, _ in problems(edited(CLOUD, edit))}


def test_tunnels_are_needed_and_not_more_than_a_connection_has():
    head = CLOUD.partition("tunnels:")[0]
    assert ("tunnels", "0 tunnels are given") in {(w, t) for _, w, t, _ in problems(head + "tunnels: []")}


def test_two_tunnels_between_the_same_addresses_or_identities_are_refused():
    same = edited(CLOUD, ("203.0.113.20", "203.0.113.10"), ("192.0.2.10", "198.51.100.10"))
    assert [where for _, where, _, _ in problems(same)] == ["tunnels[1].customer_address"]
    ids = "\n    local_id: a\n    remote_id: b"
    same = edited(CLOUD, ("169.254.10.0/30", "169.254.10.0/30" + ids), ("169.254.10.4/30", "169.254.10.4/30" + ids))
    assert [what for _, _, what, _ in problems(same)] == ["a and b: the identities of tunnels[0] too"]


def test_a_key_in_the_file_is_refused_and_not_shown():
    with pytest.raises(SpecError) as caught:
        parse_endpoint(edited(CLOUD, ("psk_file: keys/office-1", "psk: very-secret-1")).encode(), "f")
    assert "very-secret" not in str(caught.value)
    assert ("tunnels[0].psk", "a pre-shared key stands in the file") in {
        (problem.where, problem.what) for problem in caught.value.problems
    }


def test_a_customer_may_stand_before_another_cloud_with_its_own_numbers():
    spec = parse_endpoint(edited(IDC, ("65000", "7224"), ("169.254.10.0/30", "169.254.200.0/30")).encode(), "f")
    assert spec.cloud_asn == 7224


# Keys


@pytest.fixture
def folder(tmp_path):
    """A folder with the example of the cloud's side and its two keys."""
    (tmp_path / "keys").mkdir()
    for number in (1, 2):
        put(tmp_path / f"keys/office-{number}", f"key-{number}\n")
    (tmp_path / "cloud.yaml").write_text(CLOUD)
    return tmp_path


def put(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)


def key_problems(folder, environment=None):
    with pytest.raises(SpecError) as caught:
        load_endpoint(folder / "cloud.yaml", environment or {})
    assert "key-1" not in str(caught.value)
    return [(p.line, p.where, p.what) for p in caught.value.problems]


def test_keys_are_read_beside_the_file(folder):
    spec, keys = load_endpoint(folder / "cloud.yaml", {})
    assert spec.name == "cloud"
    assert keys == {"cloud-1": "key-1", "cloud-2": "key-2"}


def test_keys_that_everybody_can_read_are_refused_all_at_once_with_the_rest(folder):
    for number in (1, 2):
        put(folder / f"keys/office-{number}", "key-1", 0o644)
    (folder / "cloud.yaml").write_text(edited(CLOUD, ("cloud_asn: 65000", "cloud_asn: 65010")))
    found = key_problems(folder)
    assert [(line, where) for line, where, _ in found] == [
        (10, "customer_asn"), (17, "tunnels[0].psk_file"), (22, "tunnels[1].psk_file")
    ]  # fmt: skip
    assert "is open to everybody on this host (mode 0644)" in found[1][2]


@pytest.mark.parametrize("text", ["", "0xabc", "key-1 key-1", "key-1" * 5, "key-ä"])
def test_a_key_that_the_cloud_does_not_take_is_refused(folder, text):
    put(folder / "keys/office-2", text)
    assert key_problems(folder) == [
        (22, "tunnels[1].psk_file", "the key in it is not one that the cloud takes (it is never shown)")
    ]


def test_a_customer_may_have_the_longer_key_of_another_cloud_but_no_blank_one(folder):
    (folder / "cloud.yaml").write_text(IDC)
    put(folder / "keys/office-2", "." * 32)
    _, keys = load_endpoint(folder / "cloud.yaml", {})
    assert keys["office-2"] == "." * 32
    put(folder / "keys/office-2", "\n")
    assert key_problems(folder)[0][2] == "there is no key in it (it is never shown)"


def test_a_missing_key_file_is_named(folder):
    (folder / "keys/office-1").unlink()
    ((line, where, what),) = key_problems(folder)
    assert (line, where) == (17, "tunnels[0].psk_file")
    assert what.endswith("office-1 cannot be read: No such file or directory")


def test_a_secret_is_found_where_systemd_puts_it(folder):
    (folder / "cloud.yaml").write_text(edited(CLOUD, ("psk_file: keys/office-1", "psk_secret: office")))
    put(folder / "office", "of-systemd")
    _, keys = load_endpoint(folder / "cloud.yaml", {"CREDENTIALS_DIRECTORY": str(folder)})
    assert keys["cloud-1"] == "of-systemd"
    ((_, where, what),) = key_problems(folder)
    assert (where, what) == (
        "tunnels[0].psk_secret", "/run/secrets/office cannot be read: No such file or directory"
    )  # fmt: skip


# The schema


def test_the_published_schema_is_that_of_the_model():
    assert json.loads(PUBLISHED.read_text()) == endpoint_json_schema(), (
        "write `vpnlab schema --endpoint` to docs/endpoint.schema.json"
    )


@pytest.mark.parametrize("text", [CLOUD, IDC])
def test_the_examples_fit_the_schema(text):
    Draft202012Validator.check_schema(endpoint_json_schema())
    Draft202012Validator(endpoint_json_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("side",), "middle"),
        (("vpnlab_endpoint",), 2),
        (("tunnels", 0, "psk"), "abc"),
        (("tunnels", 0, "own_address"), "automatic"),
        (("tunnels", 0, "inner"), "169.254.10.0"),
        (("path_mtu",), 9),
    ],
)
def test_a_value_that_the_loader_refuses_does_not_fit_the_schema(path, value):
    tree: Any = copy.deepcopy(yaml.safe_load(CLOUD))
    part = tree
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert not Draft202012Validator(
        endpoint_json_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER
    ).is_valid(tree)

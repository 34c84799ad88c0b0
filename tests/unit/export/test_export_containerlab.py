"""A lab as a containerlab topology."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import validators

from lab.cli.main import cli
from lab.control.exporting import export
from lab.export.bundles import bundles
from lab.export.containerlab import containerlab_topology
from lab.plan.bundle import Bundle
from lab.plan.codec import from_json, to_json
from lab.plan.compile import compile_plan
from lab.runtime.alone import read_bundle, read_keys
from lab.spec.load import parse_topology, reference

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).with_name("golden") / "ha.clab.yml"
SCHEMA = ROOT.parent / "shared/data/clab.schema.json"
EXAMPLES = sorted((ROOT / "examples").glob("*.vpnlab.yaml"))


def test_the_reference_lab_is_rendered_as_before():
    assert containerlab_topology(compile_plan(reference())) == GOLDEN.read_text(), (
        "`vpnlab export containerlab -o DIR` and copy DIR/ha.clab.yml there"
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name.removesuffix(".vpnlab.yaml"))
def test_every_example_fits_the_schema_that_containerlab_publishes(example):
    if not SCHEMA.exists():
        pytest.skip(f"containerlab's schema is not at {SCHEMA}: https://github.com/srl-labs/containerlab has it")
    schema = json.loads(SCHEMA.read_text())
    topology = yaml.safe_load(containerlab_topology(compile_plan(parse_topology(example.read_bytes(), example.name))))
    validators.validator_for(schema)(schema).validate(topology)


def test_no_interface_leads_out_of_the_lab_and_no_container_has_more_rights_than_it_needs():
    topology = yaml.safe_load(containerlab_topology(compile_plan(reference())))["topology"]
    kind = topology["kinds"]["linux"]
    assert (kind["network-mode"], kind["privileged"]) == ("none", False)
    assert kind["cap-add"] == ["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"]
    assert all(set(node) == {"kind", "cmd", "binds", "labels", "sysctls"} for node in topology["nodes"].values())


def test_the_links_carry_the_addresses_by_which_the_agents_find_their_interfaces():
    plan = compile_plan(reference())
    links = yaml.safe_load(containerlab_topology(plan))["topology"]["links"]
    ends = {(end["node"], end["interface"], end["mac"]) for link in links for end in link["endpoints"]}
    assert ends == {(node.name, port.name, port.mac) for node in plan.nodes for port in node.interfaces}


def test_what_the_topology_binds_is_what_an_export_writes_and_the_keys_are_closed_to_others(tmp_path):
    plan = export(reference(), tmp_path)
    nodes = yaml.safe_load(containerlab_topology(plan))["topology"]["nodes"]
    for name, bundle in bundles(plan).items():
        bound = [bind.split(":")[0] for bind in nodes[name]["binds"]]
        assert read_bundle(tmp_path / bound[0]) == bundle
        assert len(bound) == (2 if bundle.plan.endpoint else 1)
    keys = read_keys(tmp_path / "keys/bgw1.json")
    assert keys.keys() == {"hq-1", "hq-2"}
    assert keys == read_keys(tmp_path / "keys/hq-gw.json")
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_a_second_export_keeps_the_keys_and_a_key_of_the_file_wins(tmp_path):
    export(reference(), tmp_path)
    before = read_keys(tmp_path / "keys/bgw1.json")
    export(reference(), tmp_path)
    assert read_keys(tmp_path / "keys/bgw1.json") == before
    text = (ROOT / "examples/ha.vpnlab.yaml").read_bytes()
    text = text.replace(
        b"          inner: 169.254.10.4/30", b"          inner: 169.254.10.4/30\n          psk: of-the-file"
    )
    export(parse_topology(text, "f"), tmp_path)
    assert read_keys(tmp_path / "keys/hq-gw.json") == before | {"hq-2": "of-the-file"}


def test_the_router_of_a_vpc_is_told_what_its_border_gateway_offers_with_every_tunnel_up():
    bundle = bundles(compile_plan(reference()))["vpc-app"]
    assert to_json(bundle)["offered"] == {"bgw1": ["172.16.1.0/24"]}
    assert from_json(Bundle, to_json(bundle)) == bundle


def test_what_a_disabled_tunnel_would_bring_is_not_offered():
    text = (ROOT / "examples/ha.vpnlab.yaml").read_bytes()
    for inner in (b"169.254.10.0/30", b"169.254.10.4/30"):
        text = text.replace(b"          inner: " + inner, b"          admin: down\n          inner: " + inner)
    assert bundles(compile_plan(parse_topology(text, "f")))["vpc-app"].offered == {"bgw1": ()}


def test_the_command_writes_a_folder_named_after_the_lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["export", "containerlab", "--name", "here", "--image", "mine:1"])
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "here.containerlab/here.clab.yml").read_text()
    assert yaml.safe_load(text)["topology"]["kinds"]["linux"]["image"] == "mine:1"
    assert "containerlab deploy -t here.containerlab/here.clab.yml" in done.stderr
    again = CliRunner().invoke(cli, ["export", "containerlab", "-o", "/proc/nowhere"])
    assert again.exit_code == 2
    assert "/proc/nowhere" in again.stderr

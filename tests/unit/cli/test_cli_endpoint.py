"""`vpnlab endpoint`: what it says, and how it exits. What it does is for the integration tests."""

from __future__ import annotations

import json
import socket
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from lab.control import lone_endpoint
from lab.control.lone_endpoint import own_addresses
from lab.errors import HostCannot
from lab.plan.bundle import Bundle
from lab.plan.codec import from_json
from lab.plan.compile import compile_plan
from lab.plan.report import NodeReport
from lab.runtime import health
from lab.runtime.alone import read_bundle, read_keys
from lab.spec.endpoint_load import parse_endpoint
from lab.spec.load import reference

CLOUD = (Path(__file__).parents[3] / "examples/endpoint/cloud.yaml").read_text()


@pytest.fixture
def file(tmp_path):
    """The example of the cloud's side with its keys."""
    (tmp_path / "keys").mkdir()
    for number in (1, 2):
        key = tmp_path / "keys" / f"office-{number}"
        key.touch(mode=0o600)
        key.write_text(f"key-of-office-{number}")
    path = tmp_path / "cloud.yaml"
    path.write_text(CLOUD)
    return path


def test_check_says_what_the_other_end_has_to_be_set_to_and_shows_no_key(vpnlab, file):
    done = vpnlab("endpoint", "check", str(file))
    assert done.exit_code == 0, done.stderr
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "own ASN 65000 65010" in rows
    assert "inner address 169.254.10.2/30 169.254.10.1/30" in rows
    assert "PFS group none (no PFS) none (no PFS)" in rows
    assert "key-of-office" not in done.stdout


def test_check_in_json_has_every_parameter_of_every_tunnel(vpnlab, file):
    told = json.loads(vpnlab("endpoint", "check", "-f", "json", str(file)).stdout)
    assert (told["version"], told["valid"], told["side"]) == (1, True, "cloud")
    assert [tunnel["tunnel"] for tunnel in told["tunnels"]] == ["cloud-1", "cloud-2"]
    assert {"parameter", "here", "there", "note"} == told["tunnels"][0]["settings"][0].keys()


def test_check_names_every_problem_of_a_bad_file_and_exits_2(vpnlab, file):
    file.write_text(CLOUD.replace("side: cloud", "side: clowd"))
    done = vpnlab("endpoint", "check", "-f", "json", str(file))
    assert done.exit_code == 2
    assert json.loads(done.stdout)["problems"][0]["where"] == "side"
    assert "did you mean cloud?" in done.stderr


def test_a_plan_and_its_keys_are_written_for_where_the_file_cannot_be_read(vpnlab, file, tmp_path):
    assert vpnlab("endpoint", "plan", str(file), "-o", str(tmp_path / "out")).exit_code == 0
    bundle = read_bundle(tmp_path / "out/node.json")
    assert [tunnel.name for tunnel in bundle.plan.endpoint.tunnels] == ["cloud-1", "cloud-2"]
    assert read_keys(tmp_path / "out/keys.json") == {"cloud-1": "key-of-office-1", "cloud-2": "key-of-office-2"}
    printed = vpnlab("endpoint", "plan", str(file))
    assert from_json(Bundle, json.loads(printed.stdout)) == bundle
    assert "key-of-office" not in printed.stdout


@pytest.mark.parametrize("argv", [[], ["cloud.yaml", "--plan", "node.json"]])
def test_run_wants_one_endpoint(vpnlab, argv):
    done = vpnlab("endpoint", "run", *argv)
    assert (done.exit_code, "which endpoint?" in done.stderr) == (2, True)


def test_run_says_which_address_this_host_lacks(vpnlab, file):
    done = vpnlab("endpoint", "run", str(file))
    assert done.exit_code == 3
    assert "tunnel cloud-1: this host has no address 203.0.113.10" in done.stderr
    assert "own_address: auto" in done.stderr


def test_run_of_a_plan_takes_its_keys_beside_it(vpnlab, file, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(lone_endpoint, "run", lambda *how: given.append(how))
    monkeypatch.setattr(lone_endpoint, "observe_interfaces", tuple)
    out = tmp_path / "out"
    assert vpnlab("endpoint", "plan", str(file), "-o", str(out)).exit_code == 0
    bundle = read_bundle(out / "node.json")
    monkeypatch.setattr(lone_endpoint, "observe_interfaces", lambda: ports_with(bundle))
    done = vpnlab("endpoint", "run", "--plan", str(out / "node.json"), "--keys", str(out / "keys.json"))
    assert done.exit_code == 0, done.stderr
    ((taken, keys, directory, _),) = given
    assert (taken, directory) == (bundle, health.DIRECTORIES / "cloud")
    assert keys["cloud-2"] == "key-of-office-2"


def ports_with(bundle):
    class Port:
        addresses = tuple(type("Address", (), {"ip": t.local_address}) for t in bundle.plan.endpoint.tunnels)

    return (Port,)


def test_an_own_address_is_found_by_the_way_to_the_peer_and_nothing_is_sent():
    spec = parse_endpoint(CLOUD.replace("# own_address: auto", "own_address: auto").encode(), "f")
    spec = spec.model_copy(
        update={
            "tunnels": tuple(t.model_copy(update={"customer_address": IPv4Address("127.0.0.9")}) for t in spec.tunnels)
        }
    )
    assert own_addresses(spec) == {IPv4Address("203.0.113.10"): IPv4Address("127.0.0.1")}


def test_a_peer_that_no_way_leads_to_is_named(monkeypatch):
    spec = parse_endpoint(CLOUD.replace("# own_address: auto", "own_address: auto").encode(), "f")

    class NoWay(socket.socket):
        def connect(self, _):
            raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(lone_endpoint.socket, "socket", NoWay)
    with pytest.raises(HostCannot, match=r"no way leads to 198\.51\.100\.10: Network is unreachable"):
        own_addresses(spec)


@pytest.fixture
def answering(lone_node):
    """An endpoint that answers one caller with what a test says: its folder."""
    return lambda answer: str(lone_node(json.dumps(answer).encode() + b"\n"))


def test_status_shows_tunnels_sessions_and_what_lacks(vpnlab, answering):
    tunnel = {"name": "cloud-1", "interface": "xfrm1", "state": "down", "since": 0.0, "reason": "dead", "ike": None,
              "child": None}  # fmt: skip
    report = {"name": "cloud", "written_at": 0.0, "interfaces": [], "routes": [], "problems": [], "speaker": None,
              "endpoint": {"pid": 1, "restarts": 0, "last_exit": None, "tunnels": [tunnel]}, "offers": []}  # fmt: skip
    assert from_json(NodeReport, report).name == "cloud"
    done = vpnlab("endpoint", "status", "--directory", answering({"report": report, "lacking": ["tunnel cloud-1"]}))
    assert done.exit_code == 1
    assert "cloud-1  xfrm1      DOWN   -    1970-01-01T00:00:00Z" in done.stdout
    assert "  tunnel cloud-1" in done.stdout


def test_status_in_json_is_the_report_with_a_version(vpnlab, answering):
    done = vpnlab("endpoint", "status", "-f", "json", "--directory", answering({"report": None, "lacking": []}))
    assert (done.exit_code, json.loads(done.stdout)) == (
        0, {"version": 1, "kind": "endpoint-status", "report": None, "lacking": []}
    )  # fmt: skip


def test_healthy_is_silent_or_says_what_lacks(vpnlab, answering):
    done = vpnlab("endpoint", "healthy", "--directory", answering({"report": None, "lacking": ["a", "b"]}))
    assert (done.exit_code, done.stdout, "error: a; b" in done.stderr) == (1, "", True)


def test_an_endpoint_that_does_not_run_is_not_healthy(vpnlab, tmp_path):
    done = vpnlab("endpoint", "healthy", "--directory", str(tmp_path))
    assert (done.exit_code, "no answer from" in done.stderr) == (1, True)


def test_a_plan_with_interfaces_of_its_own_brings_its_addresses(monkeypatch):
    given = []
    monkeypatch.setattr(lone_endpoint, "run", lambda *how: given.append(how))
    monkeypatch.setattr(lone_endpoint, "observe_interfaces", tuple)
    compiled = lone_endpoint.Compiled(Bundle(compile_plan(reference()).node("bgw1")), {})
    lone_endpoint.be(compiled, Path("/nowhere"), pytest.fail)
    assert len(given) == 1

"""The verbs from the outside: what they print, where, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli.verbs import down
from lab.control import record
from lab.control.labs import images_in_use
from lab.errors import HostCannot
from lab.plan.codec import to_json
from lab.plan.report import LabEvent
from lab.spec.load import REFERENCE
from lab.wire.client import LabGone


@pytest.mark.usefixtures("fake_lab")
def test_the_status_of_a_ready_lab_fits_80_columns_and_is_exit_code_0(vpnlab, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = vpnlab("status")
    assert done.exit_code == 0
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert [line.split()[:5] for line in done.stdout.splitlines() if line.startswith("hq-")][:2] == [
        ["hq-1", "203.0.113.10", "198.51.100.10", "UP", "Established"],
        ["hq-2", "203.0.113.20", "192.0.2.10", "UP", "Established"],
    ]


def test_status_as_json_carries_its_version_and_the_whole_report(vpnlab, fake_lab):
    done = vpnlab("status", "-f", "json")
    told = json.loads(done.stdout)
    assert (told["version"], told["kind"], told["lab"], told["ready"], told["lacking"]) == (1, "status", "ha", True, [])
    assert told["report"] == fake_lab.answers["report"]


def test_status_shows_learned_routes_in_the_order_of_their_addresses(vpnlab, fake_lab):
    seen = next(node["report"] for node in fake_lab.answers["report"]["nodes"] if node["name"] == "bgw1")
    seen["routes"] += [{**seen["routes"][0], "destination": to} for to in ("172.16.10.0/24", "172.16.9.0/24")]
    shown = vpnlab("status").stdout
    assert 0 < shown.index("172.16.1.0/24") < shown.index("172.16.9.0/24") < shown.index("172.16.10.0/24")


def test_status_names_what_is_lacking_and_exits_with_1(vpnlab, fake_lab):
    for node in fake_lab.answers["report"]["nodes"]:
        node["stale"] = node["name"] == "bgw1"
    done = vpnlab("status")
    assert done.exit_code == 1
    assert "node bgw1: its agent does not answer" in done.stdout


def test_the_status_of_a_lab_whose_machine_died_says_so_and_what_to_do(vpnlab, fake_lab):
    fake_lab.gone = LabGone("lab ha: its machine is gone", mend="`vpnlab up` starts it again")
    done = vpnlab("status", "-f", "json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["ready"] is False
    assert "error: lab ha: its machine is gone\n    mend: `vpnlab up` starts it again" in done.stderr


@pytest.mark.usefixtures("fake_lab")
def test_a_lab_that_nobody_started_is_wrong_use(vpnlab):
    done = vpnlab("status", "--name", "other")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "there is no lab other on this host" in done.stderr
    assert "labs: ha" in done.stderr


def test_all_labs_are_listed_also_one_whose_machine_is_gone(vpnlab, fake_lab):
    fake_lab.is_running = False
    assert "gone" in vpnlab("status", "--all").stdout
    assert json.loads(vpnlab("status", "--all", "-f", "json").stdout)["labs"] == [
        {"name": "ha", "substrate": "microvm", "why": "a test", "running": False, "image": None}
    ]


def test_without_any_lab_the_list_is_empty_and_fine(vpnlab):
    done = vpnlab("status", "--all")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "vpnlab up" in done.stderr


def test_down_of_a_lab_that_does_not_run_is_fine(vpnlab):
    done = vpnlab("down", "--name", "nosuch")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing to do" in done.stderr


def test_down_all_ends_what_it_can_and_names_each_lab_that_it_cannot(vpnlab, monkeypatch):
    def take_down(lab, _waiting):
        if lab != "b":
            raise HostCannot(f"the nodes of lab {lab} cannot be removed: no Docker daemon answers", mend="start it")
        return True

    monkeypatch.setattr(down, "take_down", take_down)
    monkeypatch.setattr(record, "names", lambda: ("a", "b", "c"))
    done = vpnlab("down", "--all")
    assert done.exit_code == HostCannot.exit_code
    assert "lab b is down" in done.stdout + done.stderr
    for lab in ("a", "c"):
        assert f"the nodes of lab {lab} cannot be removed" in done.stderr


def test_down_all_without_any_lab_is_fine(vpnlab):
    assert json.loads(vpnlab("down", "--all", "-f", "json").stdout) == {"version": 1, "kind": "down", "labs": []}


def test_validate_says_that_the_reference_is_fine(vpnlab):
    done = vpnlab("validate")
    assert done.exit_code == 0
    assert done.stdout == "the built-in ha.vpnlab.yaml is fine: lab ha, 6 nodes, 2 tunnels\n"


def test_validate_names_all_problems_and_exits_with_2(vpnlab, tmp_path):
    (tmp_path / "bad.vpnlab.yaml").write_text("vpnlab: 1\nname: x\nclod: {}\nidk: {}\n")
    done = vpnlab("validate", "-t", "bad.vpnlab.yaml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "bad.vpnlab.yaml:3: clod" in done.stderr
    assert "bad.vpnlab.yaml:4: idk" in done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(vpnlab("validate", "bad.vpnlab.yaml", "-f", "json").stdout)
    assert told["valid"] is False
    assert {"where", "what", "why", "mend", "file", "line"} == set(told["problems"][0])


def test_validate_reads_standard_input(vpnlab):
    done = vpnlab("validate", "-t", "-", input="")
    assert done.exit_code == 2
    assert "stdin: is empty" in done.stderr


def test_the_plan_is_json_without_keys(vpnlab, tmp_path):
    inner = "inner: 169.254.10.4/30\n"
    with_key = REFERENCE.read_text().replace(inner, f"{inner}          psk: SecretKey123\n")
    (tmp_path / "k.vpnlab.yaml").write_text(with_key)
    done = vpnlab("plan")
    assert json.loads(done.stdout)["name"] == "ha"
    assert "SecretKey123" not in done.output


def test_the_schema_is_the_published_one(vpnlab):
    assert vpnlab("schema").stdout == (Path(__file__).parents[3] / "docs/vpnlab.schema.json").read_text()


def test_pings_through_the_tunnels_are_a_table_and_one_without_answer_is_exit_code_1(vpnlab, fake_lab):
    fake_lab.answers["ping"] = [
        {"answer": {"tunnel": "hq-1", "round_trip_ms": 1.25, "error": None}},
        {"waiting": "hq-2"},
        {"answer": {"tunnel": "hq-2", "round_trip_ms": None, "error": "100% packet loss"}},
        {"result": None},
    ]
    done = vpnlab("ping")
    assert done.exit_code == 1
    assert "1.2 ms" in done.stdout
    assert "100% packet loss" in done.stdout
    assert "waiting to ping through tunnel hq-2" in done.stderr
    told = json.loads(vpnlab("ping", "-f", "json").stdout)
    assert [(ping["tunnel"], ping["round_trip_ms"]) for ping in told["pings"]] == [("hq-1", 1.25), ("hq-2", None)]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("ping", "vm1"), "a ping needs a destination"),
        (("ping", "-c", "3"), "-c is for a ping from a node"),
        (("ping", "vm1", "nosuch"), "neither an address nor a node"),
        (("ping", "-f", "json", "vm1", "hq-host"), "-f json is for pings through the tunnels"),
        (("logs", "nosuch"), "lab ha has no node nosuch"),
        (("logs", "vm1", "charon"), "vm1 has no log of charon"),
        (("logs", "hq-gw", "bird"), "'bird' is not one of"),
        (("exec", "vm1", "--"), "there is no command after --"),
        (("exec", "vm1"), "Missing argument"),
        (("exec", "-it", "vm1", "bash"), "the input is no terminal"),
        (("shell", "vm1"), "the input is no terminal"),
        (("status", "--name", "Not a name"), "cannot be a lab's name"),
        (("image", "rm"), "which image?"),
        (("statu",), "did you mean status?"),
        (("up", "--substrate", "mars"), "is not one of"),
        (("up", "-t", "nosuch.yaml"), "there is no such file"),
    ],
)
@pytest.mark.usefixtures("fake_lab")
def test_wrong_use_is_exit_code_2_with_one_clear_message(vpnlab, args, said):
    done = vpnlab(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_events_are_lines_for_people_or_json_lines(vpnlab, fake_lab):
    event = LabEvent(3, 1_700_000_000.25, "bgw1", "tunnel-up", "hq-1", "child SA installed")
    fake_lab.answers["events"] = [{"event": to_json(event)}, {"result": 3}]
    assert "bgw1" in vpnlab("events").stdout
    lines = vpnlab("events", "--since", "2", "-f", "json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"version": 1, "kind": "event", "event": to_json(event)}]
    assert fake_lab.calls[-1] == ("events", {"since": 2, "follow": False})


@pytest.mark.usefixtures("fake_lab")
def test_every_option_may_come_from_its_variable(vpnlab):
    done = vpnlab("status", env={"VPNLAB_FORMAT": "json", "VPNLAB_NAME": "ha"})
    assert json.loads(done.stdout)["kind"] == "status"


def test_the_image_of_a_running_lab_is_in_use(fake_lab):
    record.write_image("ha", "abc")
    assert images_in_use() == {"abc"}
    fake_lab.is_running = False
    assert images_in_use() == frozenset()
    with record.locked("ha"):  # as by a command that brings it up: its machine comes after its snapshot
        assert images_in_use() == {"abc"}
    assert images_in_use() == frozenset()

"""`vpnlab apply`: the difference in the cloud's words, its refusals, and what is given to the lab."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from lab.control import record
from lab.control.paths import lab_directory
from lab.control.wanted import recall
from lab.errors import LabError
from lab.plan.compile import compile_plan
from lab.spec.load import REFERENCE, reference
from lab.wire.client import LabGone

TUNNEL_1 = "hq 203.0.113.10 - 198.51.100.10"
TUNNEL_2 = "hq 203.0.113.20 - 192.0.2.10"

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def write(tmp_path):
    """Write a topology: the reference after some edits; its path."""

    def written(*edits: Edit) -> str:
        tree = yaml.safe_load(REFERENCE.read_bytes())
        for edit in edits:
            edit(tree)
        path = tmp_path / "next.vpnlab.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False))
        return str(path)

    return written


def hq(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = tree["cloud"]["vpn_connections"]["hq"]
    return part


def tunnel(number: int, **parameters: object) -> Edit:
    return lambda tree: hq(tree)["tunnels"][number - 1].update(parameters)


def without_tunnel(number: int) -> Edit:
    return lambda tree: hq(tree)["tunnels"].pop(number - 1)


def announced(plan, name):
    return {
        (node.name, neighbor.announce)
        for node in plan.nodes
        for neighbor in (node.speaker.neighbors if node.speaker else ())
        if neighbor.name == name
    }


def admin_up(plan):
    endpoints = [node.endpoint for node in plan.nodes if node.endpoint]
    return {tunnel.name for endpoint in endpoints for tunnel in endpoint.tunnels if tunnel.admin_up}


def test_the_same_file_is_nothing_to_do(vpnlab, living_lab, write):
    done = vpnlab("apply", "-t", write())
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing to do" in done.stderr
    assert living_lab.given == []


def test_a_dry_run_shows_the_steps_and_touches_nothing(vpnlab, living_lab, write):
    before = {path: path.read_bytes() for path in lab_directory("ha").iterdir()}
    done = vpnlab("apply", "-t", write(tunnel(1, admin="down", ike_cipher="aes256")), "--dry-run", "-f", "json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["steps"] == [
        {"action": "disable", "kind": "VPN tunnel", "name": TUNNEL_1, "settings": []},
        {"action": "modify", "kind": "VPN tunnel", "name": TUNNEL_1, "settings": ["ike_cipher"]},
    ]
    assert (said["dry_run"], said["done"], said["refused"]) == (True, False, [])
    assert living_lab.given == []
    assert {path: path.read_bytes() for path in lab_directory("ha").iterdir()} == before


def test_a_table_shows_steps_in_the_cloud_s_words(vpnlab, living_lab, write):
    done = vpnlab("apply", "-t", write(tunnel(1, admin="down"), lambda t: t.update(timers="production")))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split("\n")[1].split() == ["disable", "VPN", "tunnel", *TUNNEL_1.split()]
    assert "timers: fast becomes production" in done.stdout
    assert admin_up(living_lab.plan) == {"hq-2"}


def test_what_the_cloud_refuses_is_named_with_its_reason_and_nothing_is_done(vpnlab, living_lab, write):
    changed = write(tunnel(1, ike_cipher="aes256"), tunnel(2, admin="down"))
    for args in ((), ("--dry-run",)):
        done = vpnlab("apply", "-t", changed, *args)
        assert done.exit_code == 1
        assert "cannot be changed while admin status is UP" in done.stderr
        assert "the cloud lets only what carries no traffic be changed" in done.stderr
        assert living_lab.given == []
    wanted = recall("ha")
    assert wanted is not None
    assert wanted.spec == reference()


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (without_tunnel(2), "cannot be deleted while admin status is UP"),
        (lambda t: t["cloud"]["border_gateways"]["bgw1"].update(asn=64999), "asn cannot be changed"),
        (lambda t: hq(t).update(local_asn=64512), "local_asn cannot be changed"),
    ],
)
def test_deletion_order_and_fixed_settings_are_refused(vpnlab, living_lab, write, edit, reason):
    done = vpnlab("apply", "-t", write(edit), "-f", "json")
    assert done.exit_code == 1
    assert any(reason in refused["what"] for refused in json.loads(done.stdout)["refused"])
    assert living_lab.given == []


def test_a_tunnel_that_is_disabled_is_drained_first(vpnlab, living_lab, write):
    done = vpnlab("apply", "-t", write(tunnel(1, admin="down")), "-f", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["undrained"] == []
    drain, final = living_lab.given
    assert admin_up(drain) == {"hq-1", "hq-2"}
    assert {announcement for _, announcement in announced(drain, "hq-1")} == {()}
    assert announced(drain, "hq-2") == announced(final, "hq-2") == announced(compile_plan(reference()), "hq-2")
    assert admin_up(final) == {"hq-2"}
    assert record.read_plan("ha") == final


def test_what_was_amiss_before_and_is_not_concerned_is_named_and_not_waited_for(vpnlab, living_lab, write):
    living_lab.broken = frozenset({"hq-2"})
    done = vpnlab("apply", "-t", write(tunnel(1, admin="down")), "-f", "json")
    assert done.exit_code == 0, done.stderr
    assert {text.split(":")[0] for text in json.loads(done.stdout)["amiss"]} == {
        "tunnel hq-2 on bgw1",
        "tunnel hq-2 on hq-gw",
    }
    assert "it was amiss before, and this change does not concern it" in done.stderr
    assert "what that concerns is ready" in done.stderr


def test_what_a_change_concerns_is_waited_for_though_it_was_amiss_before(vpnlab, living_lab, write):
    living_lab.broken = frozenset({"hq-2"})
    slower = write(lambda tree: tree.update(timers="production"))
    done = vpnlab("apply", "-t", slower, "--timeout", "1")
    assert done.exit_code == 4
    assert "tunnel hq-2 on bgw1: no CHILD_SA" in done.stderr


def test_static_routes_take_over_before_bgp_is_switched_off(vpnlab, living_lab, write):
    def static(tree: dict[str, Any]) -> None:
        hq(tree)["bgp"] = False
        to_idc = {"destination": "172.16.0.0/16", "vpn_connection": "hq"}
        tree["cloud"]["border_gateways"]["bgw1"]["static_routes"] = [to_idc]
        to_cloud = {"destination": "10.0.0.0/8", "vpn_connection": "hq"}
        tree["idc"]["devices"]["hq-gw"]["static_routes"] = [to_cloud]

    first = living_lab.plan
    done = vpnlab("apply", "-t", write(static))
    assert done.exit_code == 0, done.stderr
    between, final = living_lab.given
    for name in ("bgw1", "hq-gw"):
        assert between.node(name).speaker == first.node(name).speaker
        assert final.node(name).speaker is None
    assert between.node("bgw1").tables.static == final.node("bgw1").tables.static != ()
    assert between.node("hq-gw").routes == final.node("hq-gw").routes != first.node("hq-gw").routes


def test_what_stays_keeps_its_numbers_and_keys_and_can_come_back(vpnlab, living_lab, write):
    first = living_lab.plan
    assert vpnlab("apply", "-t", write(tunnel(1, admin="down"))).exit_code == 0
    assert vpnlab("apply", "-t", write(without_tunnel(1))).exit_code == 0
    assert {pair.name for pair in living_lab.plan.tunnels} == {"hq-2"}
    assert living_lab.keys == {"hq-2": "second-key"}
    assert living_lab.plan.links == first.links
    assert vpnlab("apply", "-t", write()).exit_code == 0
    assert living_lab.plan.tunnels == first.tunnels
    assert living_lab.keys["hq-2"] == "second-key"
    assert living_lab.keys["hq-1"] != "first-key"


def test_a_change_that_was_interrupted_is_carried_out_by_the_next(vpnlab, living_lab, write):
    assert vpnlab("apply", "-t", write(tunnel(1, admin="down"))).exit_code == 0
    living_lab.plan = living_lab.given[0]
    done = vpnlab("apply", "-t", write(tunnel(1, admin="down")))
    assert done.exit_code == 0
    assert admin_up(living_lab.plan) == {"hq-2"}


def test_no_key_is_shown_or_kept_where_it_does_not_belong(vpnlab, living_lab, write):
    secret = "quite-a-secret"  # noqa: S105 - of a lab
    done = vpnlab("apply", "-t", write(tunnel(1, admin="down", psk=secret)), "-f", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["steps"][1]["settings"] == ["psk"]
    assert secret not in done.output
    assert living_lab.keys["hq-1"] == secret
    assert [path.name for path in lab_directory("ha").iterdir() if secret in path.read_text()] == ["keys.json"]


def test_a_lab_that_nobody_knows_is_wrong_use(vpnlab, write):
    done = vpnlab("apply", "-t", write())
    assert done.exit_code == 2
    assert "there is no lab ha" in done.stderr


@pytest.mark.parametrize("gone", [LabGone("its machine is gone", mend="`vpnlab up`")])
def test_a_lab_that_is_gone_is_not_changed_and_not_remembered_otherwise(vpnlab, living_lab, write, gone: LabError):
    living_lab.gone = gone
    done = vpnlab("apply", "-t", write(tunnel(1, admin="down")))
    assert done.exit_code == 1
    assert "its machine is gone" in done.stderr
    wanted = recall("ha")
    assert wanted is not None
    assert wanted.spec == reference()

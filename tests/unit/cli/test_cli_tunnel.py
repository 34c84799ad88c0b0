"""`vpnlab tunnel`: what is shown of tunnels, and the same refusals as those of `apply`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lab.control import record
from lab.control.paths import lab_directory
from lab.wire.client import LabGone

KEY = "another-key"


def said(done):
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def tunnel_of(lab, name, node="bgw1"):
    return next(tunnel for tunnel in lab.plan.node(node).endpoint.tunnels if tunnel.name == name)


@pytest.mark.usefixtures("living_lab")
def test_a_list_has_admin_and_operational_status(vpnlab):
    found = said(vpnlab("tunnel", "list", "-f", "json"))["tunnels"]
    assert [(t["name"], t["admin"], t["operational"], t["bgp"]) for t in found] == [
        ("hq-1", "UP", "UP", "established"),
        ("hq-2", "UP", "UP", "established"),
    ]
    assert found[0]["inner"] == "169.254.10.0/30"
    table = vpnlab("tunnel", "list").stdout.split("\n")
    assert table[1].split()[:4] == ["hq-1", "203.0.113.10", "198.51.100.10", "169.254.10.0/30"]


@pytest.mark.usefixtures("living_lab")
def test_a_disabled_tunnel_is_down_without_a_reason(vpnlab):
    assert vpnlab("tunnel", "disable", "hq-1").exit_code == 0
    found = said(vpnlab("tunnel", "show", "hq-1", "-f", "json"))
    assert (found["admin"], found["operational"], found["reason"]) == ("DOWN", "DOWN", None)
    assert found["ends"]["bgw1"]["tunnel"]["ike"] is None


@pytest.mark.usefixtures("living_lab")
def test_show_has_parameters_and_sas_and_the_key_only_when_it_is_asked_for(vpnlab):
    shown = vpnlab("tunnel", "show", "hq-1")
    assert shown.exit_code == 0
    for text in ("ike_cipher", "aes128", "169.254.10.2", "ESTABLISHED", "INSTALLED", "cccccccc", "established"):
        assert text in shown.stdout
    assert "first-key" not in shown.output
    assert "psk" not in said(vpnlab("tunnel", "show", "hq-1", "-f", "json"))["parameters"]
    revealed = said(vpnlab("tunnel", "show", "hq-1", "--reveal-psk", "-f", "json"))["parameters"]
    assert revealed["psk"] == "first-key"
    assert "first-key" in vpnlab("tunnel", "show", "hq-1", "--reveal-psk").stdout


def test_disable_modify_enable_changes_one_tunnel_alone(vpnlab, living_lab):
    second = tunnel_of(living_lab, "hq-2")
    for args in (("disable", "hq-1"), ("modify", "hq-1", "ike_cipher=aes256"), ("enable", "hq-1")):
        done = vpnlab("tunnel", *args)
        assert done.exit_code == 0, done.output
        assert tunnel_of(living_lab, "hq-2") == second
    assert tunnel_of(living_lab, "hq-1").ike_proposals == ("aes256-sha256-ecp256",)
    assert tunnel_of(living_lab, "hq-1").admin_up
    assert living_lab.keys == {"hq-1": "first-key", "hq-2": "second-key"}


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("modify", "hq-1", "ike_cipher=aes256"), "cannot be changed while admin status is UP"),
        (("delete", "hq-1"), "cannot be deleted while admin status is UP"),
        (("modify", "hq-1", "cloud_address=203.0.113.20"), "a tunnel is the one between these two addresses"),
    ],
)
def test_what_the_cloud_refuses_is_answered_no_and_nothing_is_done(vpnlab, living_lab, args, reason):
    done = vpnlab("tunnel", *args)
    assert done.exit_code == 1
    assert reason in done.stderr
    assert living_lab.given == []


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("show", "hq-9"), "there is no tunnel hq-9"),
        (("enable", "hq-9"), "tunnels: hq-1, hq-2"),
        (("modify", "hq-1"), "nothing is to be modified"),
        (("modify", "hq-1", "ike_cipher"), "a setting has no value"),
        (("modify", "hq-1", "ike_cypher=aes256"), "did you mean ike_cipher?"),
        (("modify", "hq-1", "ike_cipher=rot13"), "rot13"),
        (("modify", "hq-1", f"psk={KEY}"), "a key has no place on a command line"),
        (("add", "branch", "cloud_address=203.0.113.10"), "there is no VPN connection branch"),
        (
            ("add", "hq", "cloud_address=203.0.113.10", "customer_address=198.51.100.10"),
            "cloud.vpn_connections.hq.tunnels[2]",
        ),
    ],
)
def test_wrong_use_is_named_and_nothing_is_done(vpnlab, living_lab, args, reason):
    done = vpnlab("tunnel", *args)
    assert done.exit_code == 2
    assert reason in done.stderr
    assert KEY not in done.output
    assert living_lab.given == []


def test_a_tunnel_is_added_beside_the_others_and_deleted_again(vpnlab, living_lab):
    before = living_lab.plan
    done = vpnlab("tunnel", "add", "hq", "cloud_address=203.0.113.10", "customer_address=192.0.2.10")
    assert done.exit_code == 0, done.output
    new = tunnel_of(living_lab, "hq-3")
    assert (new.interface, new.if_id, str(new.inner)) == ("xfrm3", 3, "169.254.10.10/30")
    assert living_lab.plan.links == before.links
    assert [tunnel_of(living_lab, name) for name in ("hq-1", "hq-2")] == list(before.node("bgw1").endpoint.tunnels)
    assert len(living_lab.keys["hq-3"]) == 20
    assert vpnlab("tunnel", "delete", "hq-3").exit_code == 1
    assert vpnlab("tunnel", "disable", "hq-3").exit_code == 0
    assert vpnlab("tunnel", "delete", "hq-3").exit_code == 0
    assert living_lab.plan == before
    assert living_lab.keys == {"hq-1": "first-key", "hq-2": "second-key"}


@pytest.mark.usefixtures("living_lab")
def test_a_key_comes_from_a_file_and_is_shown_to_nobody(vpnlab):
    assert vpnlab("tunnel", "disable", "hq-1").exit_code == 0
    done = vpnlab("tunnel", "modify", "hq-1", "--psk-file", "-", "-f", "json", input=f"{KEY}\n")
    assert said(done)["steps"][0]["settings"] == ["psk"]
    assert KEY not in done.output
    assert record.read_keys("ha")["hq-1"] == KEY
    assert [path.name for path in lab_directory("ha").iterdir() if KEY in path.read_text()] == ["keys.json"]


@pytest.mark.usefixtures("living_lab")
def test_a_bad_key_is_refused_without_being_quoted(vpnlab):
    assert vpnlab("tunnel", "disable", "hq-1").exit_code == 0
    done = vpnlab("tunnel", "modify", "hq-1", "--psk-file", "-", input="0xnot-a-good-one")
    assert done.exit_code == 2
    assert "0xnot" not in done.output


def test_a_dry_run_shows_the_step_only(vpnlab, living_lab):
    done = vpnlab("tunnel", "disable", "hq-1", "--dry-run", "-f", "json")
    assert [step["action"] for step in said(done)["steps"]] == ["disable"]
    assert living_lab.given == []


def test_what_is_so_already_is_nothing_to_do(vpnlab, living_lab):
    done = vpnlab("tunnel", "enable", "hq-1")
    assert done.exit_code == 0
    assert "nothing to do" in done.stderr
    assert living_lab.given == []


@pytest.mark.parametrize("verb", [("list",), ("show", "hq-1"), ("disable", "hq-1")])
def test_a_lab_that_is_gone_is_answered_no(vpnlab, living_lab, verb):
    living_lab.gone = LabGone("its machine is gone")
    done = vpnlab("tunnel", *verb)
    assert done.exit_code == 1
    assert "its machine is gone" in done.stderr


def test_a_tunnel_that_is_enabled_and_not_usable_says_why(vpnlab, living_lab):
    ready = living_lab.ready_report

    def broken(plan):
        report = ready(plan)
        status = report.node("bgw1")
        endpoint = status.report.endpoint
        tunnels = (replace(endpoint.tunnels[0], state="down", reason="AUTHENTICATION_FAILED"), *endpoint.tunnels[1:])
        seen = replace(status.report, endpoint=replace(endpoint, tunnels=tunnels))
        return replace(report, nodes=tuple(replace(s, report=seen) if s is status else s for s in report.nodes))

    living_lab.ready_report = broken
    found = said(vpnlab("tunnel", "list", "-f", "json"))["tunnels"][0]
    assert (found["admin"], found["operational"], found["reason"]) == ("UP", "DOWN", "AUTHENTICATION_FAILED")

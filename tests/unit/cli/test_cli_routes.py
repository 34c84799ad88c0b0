"""`vpnlab routes`: which table, of whom, and what the kernel lacks of it."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.usefixtures("fake_lab")


def rows(done):
    return [tuple(route.values()) for route in json.loads(done.stdout)["routes"]]


def test_the_valid_table_is_shown_by_destination(vpnlab):
    done = vpnlab("routes", "bgw1", "-f", "json")
    assert done.exit_code == 0, done.stderr
    assert rows(done) == [
        ("10.0.1.0/24", "VPC", "app", "", "propagated", 0, ""),
        ("172.16.1.0/24", "VPN connection", "hq", "hq-1", "eBGP", 1, ""),
        ("172.16.1.0/24", "VPN connection", "hq", "hq-2", "eBGP", 1, ""),
    ]


def test_an_empty_table_says_so(vpnlab):
    done = vpnlab("routes", "bgw1", "--table", "static")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "the table is empty\n")


def test_a_vpcs_table_is_asked_for_by_the_vpcs_name(vpnlab):
    done = vpnlab("routes", "vpc", "app", "-f", "json")
    assert rows(done) == [("172.16.1.0/24", "bgw1", 150, "propagated", "yes")]


def test_tables_fit_80_columns(vpnlab, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["bgw1"], ["bgw1", "--table", "propagated"], ["vpc", "app"]):
        done = vpnlab("routes", *words)
        assert done.stdout
        assert all(len(line) <= 80 for line in done.stdout.splitlines())


def test_what_the_kernel_lacks_is_named_and_is_exit_code_1(vpnlab, fake_lab):
    for node in fake_lab.answers["report"]["nodes"]:
        node["report"]["routes"] = [route for route in node["report"]["routes"] if route["origin"] != "bgp"]
    done = vpnlab("routes", "bgw1")
    assert done.exit_code == 1
    assert "not in the kernel: 172.16.1.0/24" in done.stderr


@pytest.mark.parametrize(
    ("words", "mend"),
    [(["bgw2"], "border gateways: bgw1"), (["vpc", "web"], "VPCs: app"), (["a", "b"], "vpnlab routes vpc NAME")],
)
def test_what_is_not_there_is_wrong_use(vpnlab, words, mend):
    done = vpnlab("routes", *words)
    assert done.exit_code == 2
    assert mend in done.stderr

"""`vpnlab failover`: what it takes and what it refuses before anything is done."""

from __future__ import annotations

import json

import pytest

from lab.trial.faults import PROCEDURE


def test_the_list_names_every_fault_with_what_may_follow_its_name(vpnlab):
    done = vpnlab("failover", "--list")
    assert done.exit_code == 0
    assert "blackhole [to-idc|to-cloud]" in done.stdout
    found = json.loads(vpnlab("failover", "--list", "-f", "json").stdout)["faults"]
    assert [fault["name"] for fault in found][:2] == ["bgp-session", "route"]
    assert set(PROCEDURE) <= {fault["name"] for fault in found}
    assert all(fault["summary"] for fault in found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fault", "blakhole"), "did you mean blackhole?"),
        (("--runs", "0"), "--runs"),
        (("--flows", "1000"), "--flows"),
        (("--max-loss-ms", "-1"), "--max-loss-ms"),
        (("--html", "no-such-folder/report.html"), "no-such-folder"),
        (("--junit", "/"), "is a directory"),
    ],
)
def test_what_makes_no_sense_is_wrong_use(vpnlab, words, said):
    done = vpnlab("failover", *words)
    assert done.exit_code == 2
    assert said in done.stderr

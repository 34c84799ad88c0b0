"""The ruleset that keeps every hook of nftables in use."""

from __future__ import annotations

from lab.runtime.switches import HOOKS, ruleset


def test_there_is_an_empty_chain_at_each_hook():
    lines = ruleset().splitlines()
    assert lines[0] == "table inet vpnlab_switches {"
    assert [line.split()[1] for line in lines[1:-1]] == list(HOOKS)
    assert lines[-1] == "}"

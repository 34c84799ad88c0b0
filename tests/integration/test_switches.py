"""The kernel of a running lab patches no code of its own: under emulation that now and then ends in a panic."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

WATCH = """
mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing
echo __jump_label_update > set_ftrace_filter
echo function > current_tracer
"""
SHOW = "grep -v '^#' /sys/kernel/tracing/trace; echo nop > /sys/kernel/tracing/current_tracer"


def test_pings_and_restarted_daemons_throw_no_switch(own_lab):
    if own_lab.substrate != "microvm":
        pytest.skip("the kernel is this host's own")
    watching = own_lab.exec(None, ["sh", "-ec", WATCH])
    assert watching.returncode == 0, watching.stderr
    assert own_lab.vpnlab("ping").returncode == 0
    assert own_lab.exec(None, ["pkill", "-KILL", "charon-systemd"]).returncode == 0
    own_lab.wait_for(restarted, "charon at both ends again")
    shown = own_lab.exec(None, ["sh", "-c", SHOW])
    assert shown.stdout == b"", shown.stdout


def restarted(report):
    ends = [report.node(node).report.endpoint for node in ("bgw1", "hq-gw")]
    return all(end is not None and end.pid is not None and end.restarts == 1 for end in ends)

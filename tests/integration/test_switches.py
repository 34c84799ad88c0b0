"""The kernel of a running lab patches no code of its own: under emulation that now and then ends in a panic."""

from __future__ import annotations

from functools import partial

import pytest

from lab.control import record
from lab.control.computers import choose_place, computer_of

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]

WATCH = """
mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing
echo 0 > options/record-cmd
echo p:switch __jump_label_update > kprobe_events
echo p:poke __text_poke >> kprobe_events
echo 1 > events/kprobes/enable
echo > trace
"""
"""These two functions are all that it patches. The function tracer would patch the scheduler, too, to record names of
commands; it does so whatever record-cmd says."""
TWO_PINGS = "ping -c 5 -i 0.1 172.16.1.10 & ping -c 5 -i 0.1 172.16.1.10 && wait"
"""Each hears the other's answers and asks for a filter."""
SHOW = """
cd /sys/kernel/tracing
grep -v '^#' trace
echo 0 > events/kprobes/enable
echo > kprobe_events
"""

CONNECT = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    server.accept()
"""
THROW = "echo 1 > /proc/sys/kernel/bpf_stats_enabled"
"""A switch in code that nothing runs in a guest without a lab."""


def test_the_first_connection_in_a_fresh_guest_throws_no_switch(lab_of_module):
    lab = lab_of_module
    place = choose_place("auto")
    if place.substrate != "microvm":
        pytest.skip("the kernel is this host's own")
    record.write_place(lab.name, place)
    quiet = partial(str)  # nobody is told of phases
    computer_of(lab.name, place).start(quiet, quiet)
    in_guest(lab, WATCH)
    in_guest(lab, f"exec python3 -c '{CONNECT}'")
    assert in_guest(lab, SHOW) == b""
    in_guest(lab, WATCH)
    in_guest(lab, THROW)
    assert b"__text_poke" in in_guest(lab, SHOW), "the watch sees nothing"


def test_pings_and_restarted_daemons_throw_no_switch(ready_lab):
    if ready_lab.substrate != "microvm":
        pytest.skip("the kernel is this host's own")
    in_guest(ready_lab, WATCH)
    assert ready_lab.vpnlab("ping").returncode == 0
    assert ready_lab.exec("vm1", ["sh", "-c", TWO_PINGS]).returncode == 0
    assert ready_lab.exec(None, ["pkill", "-KILL", "charon-systemd"]).returncode == 0
    ready_lab.wait_for(restarted, "charon at both ends again")
    assert in_guest(ready_lab, SHOW) == b""


def test_a_bandwidth_throws_no_switch(ready_lab):
    if ready_lab.substrate != "microvm":
        pytest.skip("the kernel is this host's own")
    in_guest(ready_lab, WATCH)
    for words in (("disable", "hq-2"), ("modify", "hq-2", "bandwidth_mbps=5"), ("enable", "hq-2"), ("disable", "hq-2"),
                  ("delete", "hq-2")):  # fmt: skip
        done = ready_lab.vpnlab(f"tunnel {words[0]}", *words[1:])
        assert done.returncode == 0, done.stderr
    assert in_guest(ready_lab, SHOW) == b""


def in_guest(lab, script):
    """What a shell in the guest, beside the nodes, says."""
    done = lab.exec(None, ["sh", "-c", script])
    assert done.stderr == b"", done.stderr
    return done.stdout


def restarted(report):
    ends = [report.node(node).report.endpoint for node in ("bgw1", "hq-gw")]
    return all(end is not None and end.pid is not None and end.restarts == 1 for end in ends)

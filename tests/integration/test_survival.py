"""What dies is noticed, said, and comes back by itself."""

from __future__ import annotations

import base64
import time
from contextlib import ExitStack

import pytest

from lab.control.readiness import lacks
from lab.errors import UsageError
from lab.substrate.microvm import qemu

pytestmark = pytest.mark.lab

GATEWAYS = ("bgw1", "hq-gw")
BACK_WITHIN_S = 30.0


def kill(lab, pid, signal="KILL", *, within=None):
    """Kill beside the nodes, or a node's daemon within it: containers count their processes for themselves."""
    assert lab.exec(within, ["kill", f"-{signal}", str(pid)]).returncode == 0


def await_ready(lab, changed):
    """Wait until the lab lacks nothing and `changed` holds of the report; how long it took is recorded."""
    plan = lab.plan
    began = time.monotonic()
    report = lab.wait_for(
        lambda report: changed(report) and not lacks(plan, report), "ready lab", within_s=BACK_WITHIN_S
    )
    return report, time.monotonic() - began


@pytest.mark.every_substrate
@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_killed_charon_is_replaced_and_the_report_says_so(battered_lab, gateway, record_property):
    lab, since = battered_lab, battered_lab.last_event()
    before = lab.node(gateway).report.endpoint
    kill(lab, before.pid, within=gateway)
    died = lab.wait_for_event(lambda e: (e.node, e.kind) == (gateway, "daemon-died"), "death of charon", since=since)
    assert "KILL" in died.text
    report, took_s = await_ready(lab, lambda r: r.node(gateway).report.endpoint.restarts > before.restarts)
    record_property("ready_again_s", round(took_s, 2))
    after = report.node(gateway).report.endpoint
    assert after.pid != before.pid
    assert "KILL" in after.last_exit


@pytest.mark.every_substrate
@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_killed_exabgp_is_replaced_and_the_report_says_so(battered_lab, gateway, record_property):
    lab, since = battered_lab, battered_lab.last_event()
    before = lab.node(gateway).report.speaker
    kill(lab, before.pid, within=gateway)
    died = lab.wait_for_event(lambda e: (e.node, e.kind) == (gateway, "bgp-died"), "death of ExaBGP", since=since)
    assert "KILL" in died.text
    report, took_s = await_ready(lab, lambda r: r.node(gateway).report.speaker.restarts > before.restarts)
    record_property("ready_again_s", round(took_s, 2))
    assert "KILL" in report.node(gateway).report.speaker.last_exit


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_killed_agent_is_replaced_with_its_daemons(battered_lab, gateway, record_property):
    lab, since = battered_lab, battered_lab.last_event()
    before = lab.node(gateway)
    kill(lab, before.agent_pid)
    lab.wait_for_event(lambda e: (e.node, e.kind) == (gateway, "agent-died"), "death of the agent", since=since)

    def replaced(report):
        now = report.node(gateway)
        return now.agent_pid not in {None, before.agent_pid} and now.report.endpoint.pid != before.report.endpoint.pid

    report, took_s = await_ready(lab, replaced)
    record_property("ready_again_s", round(took_s, 2))
    assert report.node(gateway).agent_restarts == before.agent_restarts + 1
    assert "SIGKILL" in report.node(gateway).agent_last_exit
    for orphan in (before.report.endpoint.pid, before.report.speaker.pid):
        assert lab.exec(None, ["test", "-d", f"/proc/{orphan}"]).returncode == 1, "a daemon outlived its agent"


def test_a_stopped_agent_is_reported_as_stale_and_not_believed(battered_lab):
    lab = battered_lab
    agent = lab.node("bgw1").agent_pid
    kill(lab, agent, "STOP")
    try:
        status = lab.status()
        assert status.report.node("bgw1").stale
        assert any("bgw1" in str(lack) and "does not answer" in str(lack) for lack in status.lacking)
        assert lab.vpnlab("status").returncode == 1
    finally:
        kill(lab, agent, "CONT")
    await_ready(lab, lambda r: not r.node("bgw1").stale)


def test_a_caller_that_goes_away_takes_its_command_with_it(running_lab):
    with running_lab.session() as client:
        running_lab.start_exec(client, "vm1", ["tail", "-f", "/dev/zero", "--sleep-interval=0.001"])
    with running_lab.session() as client:
        running_lab.start_exec(client, "vm1", ["cat", "/dev/zero"])
        assert "out" in client.receive(30)
    deadline = time.monotonic() + 30
    while running_lab.exec("vm1", ["pgrep", "-f", "^(cat|tail) .*/dev/zero"]).returncode == 0:
        assert time.monotonic() < deadline, "the command runs on after its caller went away"


def test_input_cut_off_in_the_middle_of_a_line_does_not_harm_the_next_caller(running_lab):
    with running_lab.session() as client:
        running_lab.start_exec(client, "vm1", ["cat"])
        client.send({"input": base64.b64encode(b"x" * 100_000).decode()})
        client._socket.sendall(b'{"input": "' + b"A" * 50_000)
    for _ in range(3):
        assert running_lab.exec("vm1", ["echo", "clean"]).stdout == b"clean\n"


def test_more_callers_than_ports_are_told_so(running_lab):
    if running_lab.substrate != "microvm":
        pytest.skip(f"this lab runs on {running_lab.substrate}: any number of callers may connect")
    with ExitStack() as sessions:
        for _ in range(qemu.PORTS):
            sessions.enter_context(running_lab.session())
        with pytest.raises(UsageError, match="commands are talking to this lab"):
            sessions.enter_context(running_lab.session())
    assert not running_lab.status().lacking

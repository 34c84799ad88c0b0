"""The reference procedure, played on real engines: what it costs, what is said of it, and that it is undone."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
import yaml

from lab.control.fault import noted_fault
from lab.plan.codec import from_json
from lab.substrate import pace
from lab.trial.model import FailoverReport

pytestmark = [pytest.mark.lab, pytest.mark.failover, pytest.mark.timeout(900)]

RUNS = 3
QUIET = ("bgp-session", "route", "tunnel-disable")
"""Faults that cost no packet: both ends leave the tunnel while it still carries."""
PLAYED = (*QUIET, "port", "blackhole", "kill exabgp", "kill charon")
SEEN_PORT_MS, BLACKHOLE_MS, PRODUCTION_BLACKHOLE_MS = 100.0, 3500.0, 31_000.0
BACK_S = 30.0
COMMAND_S = 700.0
PROBES_PORT = 9000

COUNTING = """
table inet vpnlab_test_count {{
  counter sent {{ packets 0 bytes 0 }}
  counter came {{ packets 0 bytes 0 }}
  chain output {{ type filter hook output priority raw; policy accept; udp dport {port} counter name "sent"; }}
  chain input {{ type filter hook input priority raw; policy accept; udp dport {port} counter name "came"; }}
}}
"""
ENDS = {"cloud": "vm1", "idc": "hq-host"}


def play(lab, *args):
    """Run the command to its end: what it says on stdout, and how it ended."""
    done = lab.vpnlab("failover", "-f", "json", *args, within_s=COMMAND_S)
    assert done.stdout, done.stderr
    return from_json(FailoverReport, json.loads(done.stdout)["report"]), done


def failover(lab, *args, expected=0):
    """The report of a command that ends with this code; skips where this host was too busy to be measured on."""
    report, done = play(lab, *args)
    for trial in report.trials:
        for phase in trial.phases:
            measured([phase])
    assert done.returncode == expected, done.stderr
    return report


def measured(phases):
    """Those in which the prober kept its schedule; the figures of others show nothing. Skips where none is."""
    phases = tuple(phases)
    found = [phase for phase in phases if not any(d.lateness.refusal for d in phase.directions)]
    if not found:
        pytest.skip("; ".join(f"{p.name}: {d.lateness.refusal}" for p in phases for d in p.directions))
    return found


@contextmanager
def counted(lab):
    """Count the probes' packets at both hosts by nftables; filled at the end with what was sent and what came."""
    found = {}
    for node in ENDS.values():
        loaded = lab.exec(node, ["nft", "-f", "-"], stdin=COUNTING.format(port=PROBES_PORT).encode())
        assert loaded.returncode == 0, loaded.stderr
    try:
        yield found
        for side, node in ENDS.items():
            listed = lab.exec(node, ["nft", "-j", "list", "counters", "table", "inet", "vpnlab_test_count"]).stdout
            counters = [item["counter"] for item in json.loads(listed)["nftables"] if "counter" in item]
            found[side] = {counter["name"]: counter["packets"] for counter in counters}
    finally:
        for node in ENDS.values():
            lab.exec(node, ["nft", "delete", "table", "inet", "vpnlab_test_count"])


@pytest.fixture(scope="module")
def played(battered_lab):
    """Every fault of this module's table, three times on the first tunnel; with nftables' own count of the packets."""
    words = [word for fault in PLAYED for word in ("--fault", fault)]
    with counted(battered_lab) as found:
        report, _ = play(battered_lab, "--tunnel", "hq-1", "--runs", str(RUNS), *words)
    return report, found


def phases(report, fault, name):
    found = [phase for t in report.trials if t.fault == fault for phase in t.phases if phase.name == name]
    assert len(found) == RUNS
    return measured(found)


def lost(phase):
    return {direction.sender: direction.lost for direction in phase.directions}


def note_figures(record_property, report, fault):
    for name in ("fault", "restore"):
        found = phases(report, fault, name)
        record_property(f"{fault}, {name}: measured", f"{len(found)} of {RUNS}")
        record_property(f"{fault}, {name}: lost", [lost(phase) for phase in found])
        record_property(
            f"{fault}, {name}: outage ms",
            [{d.sender: round(d.outage_s * 1000, 1) for d in phase.directions} for phase in found],
        )


def test_the_load_is_a_thousand_packets_a_second_over_sixteen_flows_and_the_prober_kept_its_schedule(played):
    report, _ = played
    assert (report.load.rate, report.load.flows) == (1000.0, 16)
    baselines = [phase for trial in report.trials for phase in trial.phases if phase.name == "baseline"]
    assert all(d.lateness.rate >= 950 for phase in measured(baselines) for d in phase.directions)


@pytest.mark.parametrize("fault", QUIET)
def test_traffic_leaves_a_tunnel_and_comes_back_without_losing_a_packet(played, fault, record_property):
    report, _ = played
    note_figures(record_property, report, fault)
    for name in ("fault", "restore"):
        for phase in phases(report, fault, name):
            assert lost(phase) == {"cloud": 0, "idc": 0}


def test_the_side_that_sees_its_port_go_down_is_over_at_once_and_the_other_one_within_its_timers(
    played, record_property
):
    report, _ = played
    note_figures(record_property, report, "port")
    for phase in phases(report, "port", "fault"):
        seen, other = phase.direction("idc"), phase.direction("cloud")
        assert seen.detected_by == "link"
        assert seen.outage_s * 1000 <= SEEN_PORT_MS
        assert other.detected_by in {"hold timer", "DPD"}
        assert other.outage_s * 1000 <= BLACKHOLE_MS
        record_property("port, the other side: detected by", other.detected_by)


def test_a_black_hole_is_found_by_the_hold_timer_with_fast_timers(played, record_property):
    report, _ = played
    note_figures(record_property, report, "blackhole")
    for phase in phases(report, "blackhole", "fault"):
        for direction in phase.directions:
            assert direction.lost > 0
            assert direction.outage_s * 1000 <= BLACKHOLE_MS
            assert direction.detected_by == "hold timer"


@pytest.mark.parametrize("fault", ["kill exabgp", "kill charon"])
def test_a_killed_daemon_is_back_in_time(played, fault, record_property):
    report, _ = played
    note_figures(record_property, report, fault)
    for trial in (trial for trial in report.trials if trial.fault == fault):
        assert trial.failure is None
        whole_s = trial.phases[-1].ended_at - trial.phases[1].began_at
        assert whole_s <= BACK_S * pace.slowness()


def test_every_fault_moved_the_traffic_and_brought_it_back(played):
    report, _ = played
    assert {(t.fault, t.run) for t in report.trials} == {(fault, run + 1) for fault in PLAYED for run in range(RUNS)}
    for trial in report.trials:
        assert trial.failure is None
        assert [verdict.outcome for verdict in trial.verdicts if verdict.question.startswith("traffic")] == [
            "passed"
        ] * 2


def test_the_timeline_is_in_order_and_names_who_learned_what_when(played):
    report, _ = played
    for phase in phases(report, "blackhole", "fault"):
        times = [moment.at for moment in phase.moments]
        assert times == sorted(times)
        first = phase.moments[0]
        assert first.kind == "applied"
        for side in ("cloud", "idc"):
            detected = [m for m in phase.moments if (m.kind, m.side) == ("detected", side)]
            changed = [m for m in phase.moments if (m.kind, m.side) == ("routes-changed", side)]
            assert detected
            assert changed
            assert first.at < detected[0].at <= changed[0].at


def test_the_loss_is_that_which_nftables_counted_on_both_hosts(played):
    report, counted_packets = played
    for sender, receiver in (("cloud", "idc"), ("idc", "cloud")):
        told = sum(phase.direction(sender).lost for trial in report.trials for phase in trial.phases)
        assert counted_packets[sender]["sent"] - counted_packets[receiver]["came"] == told
        assert told > 0


def test_maintenance_by_the_book_loses_nothing(battered_lab):
    (trial,) = failover(battered_lab, "--fault", "maintenance", "--tunnel", "hq-2", "--max-lost", "0").trials
    assert [lost(phase) for phase in trial.phases] == [{"cloud": 0, "idc": 0}] * 3


def test_where_nothing_can_move_the_answer_is_no(battered_lab):
    lab = battered_lab
    assert lab.vpnlab("tunnel disable", "hq-2").returncode == 0
    try:
        report = failover(lab, "--fault", "bgp-session", expected=1)
    finally:
        assert lab.vpnlab("tunnel enable", "hq-2").returncode == 0
    (trial,) = report.trials
    assert not report.passed
    assert [v.outcome for v in trial.verdicts if v.question.startswith("traffic is on")] == ["failed"]
    assert not lab.status().lacking


def test_a_budget_that_is_exceeded_is_exit_code_1(battered_lab):
    report = failover(battered_lab, "--fault", "blackhole", "--tunnel", "hq-1", "--max-loss-ms", "200", expected=1)
    assert "failed" in [
        v.outcome for v in report.trials[0].verdicts if v.question.startswith("fault: no more than 200 ms")
    ]


def start_until_in_force(lab, *args):
    """The command, as soon as it has its fault in force."""
    running = subprocess.Popen(lab.argv("failover", *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = pace.deadline(60)
    for line in running.stderr:
        if "in force" in line:
            return running
        assert time.monotonic() < deadline, line
    raise AssertionError(f"it ended with {running.wait()}")


def test_an_interrupted_trial_is_undone_and_the_lab_is_ready_again(battered_lab):
    lab = battered_lab
    running = start_until_in_force(lab, "--fault", "blackhole", "--tunnel", "hq-1")
    status = lab.vpnlab("status")
    assert status.returncode == 1
    assert "fault blackhole on hq-1: in force since" in status.stdout
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=120 * pace.slowness())
    assert running.returncode == 130
    assert noted_fault(lab.name) is None
    assert not lab.status().lacking


def test_what_a_killed_trial_has_left_is_undone_by_the_next_up(battered_lab):
    lab = battered_lab
    running = start_until_in_force(lab, "--fault", "freeze charon", "--tunnel", "hq-1")
    running.kill()
    running.communicate(timeout=60)
    assert noted_fault(lab.name) is not None
    lab.up()
    assert noted_fault(lab.name) is None
    assert not lab.status().lacking


def test_with_the_cloud_s_own_timers_a_black_hole_is_found_by_whichever_runs_out_first(
    battered_lab, tmp_path, record_property
):
    lab = battered_lab
    spec = yaml.safe_load((lab.directory / "wanted.json").read_text())["spec"]
    slow = tmp_path / "production.vpnlab.yaml"
    slow.write_text(yaml.safe_dump(spec | {"timers": "production"}, sort_keys=False))
    assert lab.vpnlab("apply", "-t", str(slow)).returncode == 0
    report, _ = play(lab, "--fault", "blackhole", "--tunnel", "hq-1")
    (trial,) = report.trials
    assert [v.outcome for v in trial.verdicts if v.question.startswith("traffic")] == ["passed"] * 2
    (fault,) = measured(phase for phase in trial.phases if phase.name == "fault")
    for direction in fault.directions:
        record_property(f"from {direction.sender}", f"{direction.outage_s:.1f} s, {direction.detected_by}")
        assert direction.detected_by in {"DPD", "hold timer"}
        assert direction.outage_s * 1000 <= PRODUCTION_BLACKHOLE_MS

"""A running lab is changed: one tunnel, and nothing beside it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import yaml
from flows import udp_flows
from replanning import given_up

from lab.control import record
from lab.control.readiness import lacks
from lab.substrate import pace

pytestmark = [pytest.mark.lab, pytest.mark.every_substrate]

FLOWS, RATE = 8, 1000
VPNLAB = "from lab.cli.main import main; main()"
PACKETS_BEFORE = 2000
"""Packets through both tunnels together before one is disabled."""
TRAFFIC_WITHIN_S = 30.0


def vpnlab(lab, *args):
    """Run a command that must succeed."""
    done = run(lab, *args, "-f", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run(lab, *args):
    """Run a command; the lab's name stands behind the verbs."""
    argv = [sys.executable, "-c", VPNLAB, *args, "--name", lab.name]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120 * pace.slowness(), check=False)


def gateways(report):
    return [node for node in report.nodes if node.report and node.report.endpoint]


def sas(report):
    """By gateway and tunnel the SPIs of the IKE SA and of the child SA."""
    return {
        (node.name, tunnel.name): (tunnel.ike.spi_initiator, tunnel.child.spi_in, tunnel.child.spi_out)
        for node in gateways(report)
        for tunnel in node.report.endpoint.tunnels
        if tunnel.child
    }


def sessions(report):
    return {
        (node.name, session.name): (session.state, session.since)
        for node in gateways(report)
        for session in (node.report.speaker.sessions if node.report.speaker else ())
    }


def of(tunnel, found):
    return {end: value for end, value in found.items() if end[1] == tunnel}


def packets(report):
    """Packets that came out of each tunnel, at both ends together."""
    counts: dict[str, int] = {}
    for node in gateways(report):
        for tunnel in node.report.endpoint.tunnels:
            counts[tunnel.name] = counts.get(tunnel.name, 0) + (tunnel.child.packets_in if tunnel.child else 0)
    return counts


def report_after(lab, count):
    """The first report by which so many packets came out of all tunnels. Counters are no news: they are asked for."""
    deadline = time.monotonic() + TRAFFIC_WITHIN_S * pace.slowness()
    while True:
        report = lab.status().report
        if sum(packets(report).values()) > count:
            return report
        assert time.monotonic() < deadline, f"{packets(report)} packets came out of the tunnels, not {count}"


@pytest.fixture
def lab(battered_lab):
    """A lab whose tunnels are all enabled; tests may leave other parameters behind."""
    for tunnel in vpnlab(battered_lab, "tunnel", "list")["tunnels"]:
        if tunnel["admin"] == "DOWN":
            vpnlab(battered_lab, "tunnel", "enable", tunnel["name"])
    return battered_lab


@pytest.mark.timeout(600)
def test_disabling_modifying_and_enabling_one_tunnel_leaves_the_other_s_sas_and_session_alone(lab):
    before = lab.status().report
    vpnlab(lab, "tunnel", "disable", "hq-1")
    down = lab.status().report
    assert of("hq-1", sas(down)) == {}
    assert of("hq-1", {key: state for key, (state, _) in sessions(down).items() if state == "established"}) == {}
    refused = run(lab, "tunnel", "modify", "hq-2", "ike_cipher=aes256")
    assert refused.returncode == 1
    assert "cannot be changed while admin status is UP" in refused.stderr
    vpnlab(lab, "tunnel", "modify", "hq-1", "ike_cipher=aes256", "ipsec_cipher=aes256")
    vpnlab(lab, "tunnel", "enable", "hq-1")
    after = lab.status().report
    for report in (down, after):
        assert of("hq-2", sas(report)) == of("hq-2", sas(before))
        assert of("hq-2", sessions(report)) == of("hq-2", sessions(before))
    first = next(t for t in after.node("bgw1").report.endpoint.tunnels if t.name == "hq-1")
    assert "AES_CBC-256" in first.ike.proposal
    assert "AES_CBC-256" in first.child.proposal
    assert not lacks(lab.plan, after)


@pytest.mark.timeout(900)
def test_a_tunnel_is_disabled_and_enabled_under_load_without_losing_a_packet(lab, record_property):
    start = packets(lab.status().report)
    with udp_flows(lab, flows=FLOWS, rate=RATE) as losses:
        report = report_after(lab, sum(start.values()) + PACKETS_BEFORE)
        now = packets(report)
        tunnel, other = sorted(now, key=lambda name: now[name] - start[name], reverse=True)
        share = now[tunnel] - start[tunnel]
        untouched = of(other, sas(report)), of(other, sessions(report))
        assert vpnlab(lab, "tunnel", "disable", tunnel)["undrained"] == []
        down = lab.status().report
        assert of(tunnel, sas(down)) == {}
        vpnlab(lab, "tunnel", "enable", tunnel)
        up = lab.status().report
        assert len(of(tunnel, sas(up))) == 2
        assert (of(other, sas(up)), of(other, sessions(up))) == untouched
    record_property("packets_in_the_tunnel_before", share)
    record_property("sent", losses.sent)
    record_property("rate", {way: round(rate) for way, rate in losses.rate.items()})
    assert share > PACKETS_BEFORE / 4
    assert losses.lost == {way: [0] * FLOWS for way in losses.sent}, losses.rate


@pytest.mark.timeout(600)
def test_under_the_same_load_a_tunnel_that_breaks_loses_packets(lab, record_property):
    """The control of the test above: it would see a loss. Until the hold time has run out, routes lead into the cut."""
    start = packets(lab.status().report)
    with udp_flows(lab, flows=FLOWS, rate=RATE) as losses:
        report = report_after(lab, sum(start.values()) + PACKETS_BEFORE)
        now = packets(report)
        tunnel = max(now, key=lambda name: now[name] - start[name])
        with cut(lab, tunnel):
            pass
    lost = {way: sum(flows) for way, flows in losses.lost.items()}
    record_property("lost_in_the_cut", lost)
    assert sum(lost.values()) > 0


@pytest.mark.timeout(900)
def test_bgp_is_switched_off_and_on_again_under_load_while_static_routes_carry(lab, tmp_path, record_property):
    before = lab.status().report
    with_bgp = yaml.safe_load((lab.directory / "wanted.json").read_text())["spec"]
    with_both = static_routes_beside(with_bgp)
    with_static = static_routes_beside(with_bgp)
    with_static["cloud"]["vpn_connections"]["hq"]["bgp"] = False
    start = packets(before)
    with udp_flows(lab, flows=FLOWS, rate=RATE) as losses:
        report_after(lab, sum(start.values()) + PACKETS_BEFORE)
        apply(lab, tmp_path, with_static)
        static = lab.status()
        assert sessions(static.report) == {}
        assert not static.lacking
        assert origins(static.report) == {"static"}
        apply(lab, tmp_path, with_both)
        apply(lab, tmp_path, with_bgp)
        after = lab.status().report
    assert {state for state, _ in sessions(after).values()} == {"established"}
    assert sessions(after).keys() == sessions(before).keys()
    assert origins(after) == {"bgp"}
    assert sas(after) == sas(before)
    record_property("sent", losses.sent)
    assert losses.lost == {way: [0] * FLOWS for way in losses.sent}, losses.rate


def static_routes_beside(spec):
    """The topology with static routes at both ends of the connection, which win over BGP's."""
    found = copy.deepcopy(spec)
    to_idc = {"destination": "172.16.1.0/24", "vpn_connection": "hq"}
    found["cloud"]["border_gateways"]["bgw1"]["static_routes"] = [to_idc]
    to_cloud = {"destination": "10.0.1.0/24", "vpn_connection": "hq"}
    found["idc"]["devices"]["hq-gw"]["static_routes"] = [to_cloud]
    return found


def apply(lab, tmp_path, spec):
    wanted = tmp_path / "next.vpnlab.yaml"
    wanted.write_text(yaml.safe_dump(spec, sort_keys=False))
    return vpnlab(lab, "apply", "-t", str(wanted))


def origins(report):
    """Where the routes that lead into tunnels come from."""
    return {
        route.origin
        for node in gateways(report)
        for route in node.report.routes
        if any(hop.interface.startswith("xfrm") for hop in route.next_hops)
    }


@pytest.mark.timeout(600)
def test_a_tunnel_is_changed_beside_one_that_was_broken_before(lab):
    with cut(lab, "hq-2"):
        said = vpnlab(lab, "tunnel", "disable", "hq-1")
        assert said["amiss"]
        assert all("hq-2" in text for text in said["amiss"])
        vpnlab(lab, "tunnel", "enable", "hq-1")
        assert "hq-1" not in down_sessions(lab.status().report)


@contextmanager
def cut(lab, tunnel):
    """A tunnel whose packets towards the IDC the internet drops: its session is down while the body runs."""
    address = next(pair for pair in lab.plan.tunnels if pair.name == tunnel).customer_address
    table = f"table ip cut {{ chain c {{ type filter hook forward priority 0; ip daddr {address} drop; }}; }}"
    try:
        assert lab.exec("internet", ["nft", table]).returncode == 0
        lab.wait_for(lambda report: down_sessions(report) >= {tunnel}, f"the loss of {tunnel}'s session")
        yield
        lab.wait_for(given_up(tunnel), f"end of {tunnel} at both ends")
    finally:
        assert lab.exec("internet", ["nft", "delete", "table", "ip", "cut"]).returncode == 0
        lab.wait_for(lambda report: not lacks(lab.plan, report), "the lab as it was", within_s=60)


def down_sessions(report):
    return {name for (_, name), (state, _) in sessions(report).items() if state != "established"}


@pytest.mark.timeout(600)
def test_a_tunnel_is_added_and_deleted_beside_the_others(lab):
    before = lab.status().report
    plan = lab.plan
    vpnlab(lab, "tunnel", "add", "hq", "cloud_address=203.0.113.10", "customer_address=192.0.2.10")
    added = lab.status()
    assert not added.lacking
    assert {pair.name for pair in lab.plan.tunnels} == {"hq-1", "hq-2", "hq-3"}
    assert len(of("hq-3", sas(added.report))) == 2
    vpnlab(lab, "tunnel", "disable", "hq-3")
    vpnlab(lab, "tunnel", "delete", "hq-3")
    after = lab.status().report
    assert (sas(after), sessions(after)) == (sas(before), sessions(before))
    assert lab.plan == plan
    assert set(record.read_keys(lab.name)) == {"hq-1", "hq-2"}


def test_what_the_cloud_refuses_touches_nothing(lab, tmp_path):
    before = lab.status().report
    spec = yaml.safe_load((lab.directory / "wanted.json").read_text())["spec"]
    spec["cloud"]["vpn_connections"]["hq"]["tunnels"][0]["admin"] = "down"
    spec["cloud"]["vpn_connections"]["hq"]["tunnels"][1]["ike_cipher"] = "aes256"
    wanted = tmp_path / "next.vpnlab.yaml"
    wanted.write_text(yaml.safe_dump(spec, sort_keys=False))
    done = run(lab, "apply", "-t", str(wanted))
    assert done.returncode == 1
    assert "ike_cipher cannot be changed while admin status is UP" in done.stderr
    after = lab.status().report
    assert (after.plan_digest, sas(after), sessions(after)) == (before.plan_digest, sas(before), sessions(before))

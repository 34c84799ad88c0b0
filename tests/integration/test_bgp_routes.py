"""Routes follow tunnels: two next hops while both carry, one as soon as one does not, two again when it is back."""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from ipaddress import IPv4Network

import pytest
from replanning import LAN, VPC, await_ecmp, both_have, changed, given_up, planned

from lab.substrate import pace

pytestmark = [pytest.mark.lab, pytest.mark.every_substrate, pytest.mark.timeout(600)]

AT_ONCE_S = 1.0
"""On the reference host, and a third of the shortest hold time: no timer of BGP can be what took a route away."""
QUOTA = 300  # dynamic routes per border gateway; a prefix over two tunnels is two
DELETED = "Deleted src 203.0.113.10 dst 198.51.100.10"
LINE = re.compile(r"^\[(\S+)\] ?(.*(?:\n[ \t].*)*)", re.MULTILINE)


SA_OF_NOBODY = (
    *("ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x100"),
    *("mode", "tunnel", "auth-trunc", "hmac(sha256)", "0x" + "00" * 32, "128", "enc", "cbc(aes)", "0x" + "00" * 16),
)
MONITORS = {
    "routes": (
        ("ip", "-ts", "monitor", "link", "route"),
        ("ip", "route", "add", "blackhole", "192.0.2.254"),
        ("ip", "route", "del", "blackhole", "192.0.2.254"),
    ),
    # Keys stay in the node: what is added is not shown.
    "deleted SAs": (
        ("sh", "-c", "stdbuf -oL ip -ts xfrm monitor SA | grep --line-buffered Deleted"),
        SA_OF_NOBODY,
        ("ip", "xfrm", "state", "deleteall", "src", "192.0.2.1"),
    ),
}
"""What to run, and a change to make and to undo whose news show that it listens."""


@contextmanager
def monitored(lab, node, what):
    """The kernel's news of a node while the block runs: a function that waits for a line and gives all up to it."""
    argv, change, undo = MONITORS[what]
    text = bytearray()
    with lab.session() as client:
        lab.start_exec(client, node, argv)

        def read(within_s):
            message = client.receive(within_s)
            text.extend(b64decode((message or {}).get("out", "")))
            return message

        def lines_until(pattern):
            while not re.search(pattern, text.decode()):
                assert read(60) is not None, f"nothing like {pattern} was told"
            return [(datetime.fromisoformat(at), what) for at, what in LINE.findall(text.decode())]

        while b"192.0.2." not in text:
            for command in (change, undo):
                assert lab.exec(node, command).returncode == 0
            read(2)
        yield lines_until


def time_of(lines, pattern):
    return next(at for at, what in lines if re.search(pattern, what))


def sas_and_sessions(lab):
    """All that a tunnel or a session that was touched would have anew."""
    nodes = [node.report for node in lab.status().report.nodes]
    sas = {
        (node.name, tunnel.name): (tunnel.since, tunnel.ike.spi_initiator, tunnel.child.spi_in, tunnel.child.spi_out)
        for node in nodes if node.endpoint for tunnel in node.endpoint.tunnels
    }  # fmt: skip
    sessions = {
        (node.name, session.name): (session.state, session.since)
        for node in nodes if node.speaker for session in node.speaker.sessions
    }  # fmt: skip
    return sas, sessions


def assert_traffic_flows(lab):
    done = lab.exec("vm1", ["ping", "-n", "-c", "20", "-i", "0.05", "-w", "20", "172.16.1.10"])
    assert b" 20 received" in done.stdout, done.stdout


def learned(report):
    """The cloud's sessions."""
    return report.node("bgw1").report.speaker.sessions


@pytest.fixture
def lab(running_lab):
    await_ecmp(running_lab)
    return running_lab


def test_both_gateways_spread_flows_over_both_tunnels(lab):
    for node, prefix, hops in (("bgw1", LAN, ("1", "5")), ("hq-gw", VPC, ("2", "6"))):
        shown = lab.exec(node, ["ip", "-4", "route", "show", str(prefix), "proto", "bgp"]).stdout.decode()
        for number, hop in enumerate(hops, start=1):
            assert re.search(rf"nexthop via 169\.254\.10\.{hop} dev xfrm{number} weight 1", shown), shown


def test_a_port_that_goes_down_takes_its_routes_away_at_once(lab):
    since = lab.last_event()
    try:
        with monitored(lab, "hq-gw", "routes") as lines_until:
            lab.exec("hq-gw", ["ip", "link", "set", "wan1", "down"])
            lines = lines_until(rf"{VPC} via 169\.254\.10\.6 dev xfrm2 proto bgp")
        took = time_of(lines, rf"^{VPC} via 169\.254\.10\.6") - time_of(lines, r"^\d+: wan1.*state DOWN")
        print(f"from the port's end to the route's: {took.total_seconds()} s")  # noqa: T201 - a measurement
        assert 0 <= took.total_seconds() < AT_ONCE_S * pace.slowness()
        lost = lab.wait_for_event(
            lambda e: (e.node, e.kind, e.subject) == ("hq-gw", "bgp-lost", "hq-1"), "lost session", since=since
        )
        assert "hold timer" not in lost.text
        lab.wait_for(both_have("xfrm2"), "one next hop at both ends")
        assert_traffic_flows(lab)
        lab.wait_for(given_up("hq-1"), "end of hq-1 at both ends")
    finally:
        lab.exec("hq-gw", ["ip", "link", "set", "wan1", "up"])
        await_ecmp(lab)
    assert_traffic_flows(lab)


def test_a_tunnel_that_the_peer_ends_takes_its_routes_away_at_once(lab):
    since = lab.last_event()
    endpoint = lab.plan.node("bgw1").endpoint
    tunnels = tuple(replace(t, admin_up=t.name != "hq-1") for t in endpoint.tunnels)
    disabled = changed(lab.plan, "bgw1", endpoint=replace(endpoint, tunnels=tunnels))
    with (
        monitored(lab, "hq-gw", "routes") as routes_until,
        monitored(lab, "hq-gw", "deleted SAs") as sas_until,
        planned(lab, disabled),
    ):
        routes = routes_until(rf"{VPC} via 169\.254\.10\.6 dev xfrm2 proto bgp")
        sas = sas_until(DELETED)
        took = time_of(routes, rf"^{VPC} via 169\.254\.10\.6") - time_of(sas, DELETED)
        print(f"from the SA's end to the route's: {took.total_seconds()} s")  # noqa: T201 - a measurement
        assert took.total_seconds() < AT_ONCE_S * pace.slowness()
        report = lab.wait_for(both_have("xfrm2"), "one next hop at both ends")
        down = next(t for t in report.node("hq-gw").report.endpoint.tunnels if t.name == "hq-1")
        assert down.state == "down"
        assert_traffic_flows(lab)
    lost = [e for e in lab.events(since) if e.kind == "bgp-lost"]
    assert lost
    assert not [e for e in lost if e.subject != "hq-1" or "hold timer" in e.text]
    assert_traffic_flows(lab)


def test_more_prefixes_than_the_quota_are_refused_and_reported_and_nothing_else_is_touched(lab):
    before = sas_and_sessions(lab)
    speaker = lab.plan.node("hq-gw").speaker
    many = tuple(IPv4Network("10.128.0.0/9").subnets(new_prefix=24))[: QUOTA + 10]
    neighbors = tuple(replace(n, announce=n.announce + many) for n in speaker.neighbors)
    with planned(lab, changed(lab.plan, "hq-gw", speaker=replace(speaker, neighbors=neighbors))):
        report = lab.wait_for(
            lambda report: (
                all(s.refused_count for s in learned(report)) and sum(len(s.accepted) for s in learned(report)) == QUOTA
            ),
            "the quota's routes, and refusals of both neighbors",
        )
        reasons = {refused.reason for session in learned(report) for refused in session.refused}
        assert reasons == {f"the limit of {QUOTA} prefixes is reached"}
        assert LAN in {route.destination for route in report.node("bgw1").report.routes}
        assert_traffic_flows(lab)
    lab.wait_for(
        lambda report: [r.destination for r in report.node("bgw1").report.routes if r.origin == "bgp"] == [LAN],
        "the LAN alone",
    )
    assert sas_and_sessions(lab) == before

"""The probes in a real lab: their figures against other people's counters, and their refusals."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lab.errors import LabError, NotConverged
from lab.trial.paths import FlowKey, source_port_into, tunnels_of, udp_keys
from lab.trial.probing import DEFAULT_LOAD, END_OF_TIME, SIDES, probe_plan, probing

pytestmark = pytest.mark.lab

LOAD = replace(DEFAULT_LOAD, rate=400.0)
"""Less than trials use, so that it is kept on a busy host too."""
HOSTS = {"cloud": "vm1", "idc": "hq-host"}
UNKNOWN = {side: [(None, None)] * LOAD.flows for side in SIDES}
COUNT = """
table inet probes {
    chain out {
        type filter hook output priority 0
        udp dport 9000 counter comment "sent"
    }
    chain in {
        type filter hook input priority 0
        udp dport 9000 counter comment "came"
    }
}
"""
LOSE_ONE_IN_TEN = """
table inet probes {
    chain through {
        type filter hook forward priority 0
        udp dport 9000 numgen inc mod 10 0 counter drop
    }
}
"""
DOUBLE = """
table netdev probes {
    chain out {
        type filter hook egress device "lan1" priority 0
        udp dport 9000 dup to "lan1"
    }
}
"""


@contextmanager
def ruled(lab, rules):
    """Each node has these nftables rules while the block runs."""
    for node, text in rules.items():
        done = lab.exec(node, ["nft", "-f", "-"], stdin=text.encode())
        assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        for node, text in rules.items():
            _, family, name, *_ = text.split()
            lab.exec(node, ["nft", "delete", "table", family, name])


def counters(lab, node):
    said = json.loads(lab.exec(node, ["nft", "-j", "list", "table", "inet", "probes"]).stdout)
    expressions = [part["rule"] for part in said["nftables"] if "rule" in part]
    return {
        rule["comment"]: next(part["counter"]["packets"] for part in rule["expr"] if "counter" in part)
        for rule in expressions
    }


@contextmanager
def probes_of(lab, load=LOAD, tcp_port=None):
    with lab.session() as client, probing(client, lab.name, probe_plan(lab.plan, "hq-1", load, tcp_port)) as probes:
        yield probes


def test_what_the_probes_call_lost_is_what_nftables_counted_out_and_not_in(running_lab, record_property):
    rules = dict.fromkeys(HOSTS.values(), COUNT) | {"hq-gw": LOSE_ONE_IN_TEN}
    with ruled(running_lab, rules):
        with probes_of(running_lab) as probes:
            begin = probes.now()
            probes.wait_settled(begin + 2)
            probes.finish()
        whole = probes.directions(0, END_OF_TIME, UNKNOWN)
        counted = {side: counters(running_lab, node) for side, node in HOSTS.items()}
    for direction, other in zip(whole, reversed(SIDES), strict=True):
        record_property(direction.sender, (direction.sent, direction.lost))
        sent, came = counted[direction.sender]["sent"], counted[other]["came"]
        assert direction.sent == sent
        assert direction.lost == sent - came - direction.lateness.dropped
        assert direction.lost > 0


@pytest.mark.usefixtures("running_lab")
def test_a_packet_that_comes_twice_is_doubled_and_not_lost(running_lab):
    with ruled(running_lab, {"hq-gw": DOUBLE}), probes_of(running_lab) as probes:
        probes.wait_lossless(1, 60)
        probes.finish()
        to_idc, to_cloud = probes.directions(0, END_OF_TIME, UNKNOWN)
    assert to_idc.duplicated >= to_idc.sent > 0  # a copy leaves by the same way, and may be doubled again
    assert (to_idc.lost, to_cloud.duplicated, to_cloud.lost) == (0, 0, 0)


def test_probes_tell_while_they_run_since_when_nothing_is_lost(running_lab):
    with probes_of(running_lab) as probes:
        probes.wait_lossless(0.5, 60)
        with ruled(running_lab, {"hq-gw": LOSE_ONE_IN_TEN}):
            lossy = probes.now()
            with pytest.raises(NotConverged, match="without loss both ways"):
                probes.wait_lossless(2, 3, since=lossy)
            cut = probes.now()
        clean = probes.now()
        since = probes.wait_lossless(0.5, 60, since=lossy)
        probes.finish()
        assert all(lossy < at < clean + 1 for at in since.values())
        assert all(direction.lost for direction in probes.directions(lossy, cut, UNKNOWN))
        for side, at in since.items():
            after = (
                at + 1e-6
            )  # what was lost last was sent at `at`, which a float of seconds holds to a quarter of 1 µs
            found = next(one for one in probes.directions(after, at + 0.5, UNKNOWN) if one.sender == side)
            assert found.sent > 0
            assert found.lost == 0


def test_flows_are_spread_over_both_tunnels_in_each_direction(running_lab):
    plan = running_lab.plan
    with running_lab.session() as client:
        keys = udp_keys(probe_plan(plan, "hq-1", DEFAULT_LOAD, None))
        for side, gateway in (("cloud", "bgw1"), ("idc", "hq-gw")):
            assert set(tunnels_of(client, plan, gateway, keys[side])) == {"hq-1", "hq-2"}


@pytest.mark.parametrize("tunnel", ["hq-1", "hq-2"])
def test_a_tcp_flow_through_a_tunnel_of_our_choice_gets_all_that_it_was_offered(running_lab, tunnel):
    plan = running_lab.plan
    with running_lab.session() as client:
        vm, host = (end.address for end in probe_plan(plan, tunnel, LOAD, None).ends)
        port = source_port_into(client, plan, tunnel, FlowKey("tcp", vm, 0, host, 9001), range(40000, 40016))
    before = carried(running_lab, tunnel)
    with probes_of(running_lab, replace(LOAD, rate=16.0), tcp_port=port) as probes:
        begin = probes.now()
        probes.wait_settled(begin + 2)
        end = probes.now()
        probes.finish()
        tcp = probes.tcp(begin, end, tunnel)
    assert tcp.broken is None
    assert tcp.received_bit_s == pytest.approx(tcp.offered_bit_s, rel=0.2)
    assert tcp.longest_stall_s < 2
    assert carried(running_lab, tunnel) - before > 0.8 * tcp.offered_bit_s / 8 * (end - begin)


def carried(lab, tunnel):
    """Bytes that the cloud has sent into a tunnel."""
    return next(
        found.child.bytes_out
        for found in lab.node("bgw1").report.endpoint.tunnels
        if found.name == tunnel and found.child
    )


def test_a_second_prober_on_the_same_hosts_is_refused(running_lab):
    with probes_of(running_lab) as probes:
        with pytest.raises(LabError, match="Address already in use"), probes_of(running_lab):
            pass
        probes.wait_lossless(0.1, 60)
        probes.finish()

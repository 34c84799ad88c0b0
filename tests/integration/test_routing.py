"""The border gateway's rules in the kernel of a running lab: what forwards is the valid table, after every change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from replanning import given_up

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

TOPOLOGY = Path(__file__).parent / "routing.vpnlab.yaml"


@pytest.fixture(scope="module")
def lab(lab_of):
    with lab_of(TOPOLOGY) as running:
        yield running


def table(lab, *of, table="valid"):
    done = lab.vpnlab("routes", *of, "--table", table, "-f", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["routes"]


def kernel(lab, node):
    """The node's main table as iproute2 shows it: interfaces by destination, without connected networks."""
    shown = json.loads(lab.exec(node, ["ip", "-j", "route"]).stdout)
    return {
        route["dst"]: {hop["dev"] for hop in route.get("nexthops", [route])}
        for route in shown
        if route.get("protocol") != "kernel"
    }


def valid(lab):
    """The valid table in the kernel's terms."""
    tables = lab.plan.node("bgw1").tables
    leads = {port.vpc: port.next_hop.interface for port in tables.vpcs}
    leads |= {port.tunnel: port.interface for port in tables.tunnels}
    found = {}
    for route in table(lab, "bgw1"):
        found.setdefault(route["destination"], set()).add(leads[route["tunnel"] or route["next_hop"]])
    return found


def carriers(lab, connection):
    return {port.interface for port in lab.plan.node("bgw1").tables.tunnels if port.vpn_connection == connection}


def test_the_kernel_forwards_by_the_valid_table(lab):
    to_branch = carriers(lab, "branch")
    assert kernel(lab, "bgw1") == valid(lab) == {
        "10.0.1.0/24": {"vpc1"},
        "10.1.1.0/24": {"vpc2"},
        "172.16.0.0/16": to_branch,
        "172.16.1.0/24": carriers(lab, "hq"),
        "172.16.2.0/24": to_branch,
        "172.16.3.0/24": {"vpc1"},
        "172.17.0.0/16": to_branch,
        "172.18.1.0/24": {interface(lab, "far-2")},
    }  # fmt: skip


def test_rule_1_the_longest_prefix_carries_whatever_its_type(lab):
    assert carrier(lab, "172.16.1.10") <= carriers(lab, "hq")  # eBGP's /24
    assert carrier(lab, "172.16.9.10") <= carriers(lab, "branch")  # the static /16 around it


def test_rule_2_a_vpc_carries_before_a_vpn_connection(lab):
    assert ("172.16.3.0/24", "hq") in candidates(lab)
    assert carrier(lab, "172.16.3.10") == {"vpc1"}


def test_rule_3_a_static_route_carries_before_the_same_prefix_of_ebgp(lab):
    assert ("172.16.2.0/24", "hq") in candidates(lab)
    assert carrier(lab, "172.16.2.10") <= carriers(lab, "branch")


def test_rule_4_the_shorter_as_path_carries_and_the_longer_one_when_it_is_gone(lab):
    short, long = interface(lab, "far-2"), interface(lab, "far-1")
    lengths = {session.name: session.metrics for session in lab.node("bgw1").report.speaker.sessions}
    assert (lengths["far-1"], lengths["far-2"]) == ((3,), (1,))
    before = packets_out(lab)
    done = lab.exec("vm1", ["ping", "-n", "-q", "-c", "100", "-i", "0.05", "172.18.1.10"])
    assert b" 100 received" in done.stdout, done.stdout
    after = packets_out(lab)
    assert after["far-2"] - before["far-2"] >= 100
    assert after["far-1"] - before["far-1"] < 100  # some of BGP's own
    assert carrier(lab, "172.18.1.10") == {short}
    ports = {str(route.source): route.interface for route in lab.plan.node("far-gw").source_routes}
    try:
        assert lab.exec("far-gw", ["ip", "link", "set", ports["192.0.2.30"], "down"]).returncode == 0
        lab.wait_for(lambda report: routed(report, "172.18.1.0/24") == {long}, "the longer way")
        assert kernel(lab, "bgw1") == valid(lab)
        lab.wait_for(given_up("far-2"), "end of far-2 at both ends")
    finally:
        assert lab.exec("far-gw", ["ip", "link", "set", ports["192.0.2.30"], "up"]).returncode == 0
    lab.wait_for(lambda report: routed(report, "172.18.1.0/24") == {short}, "the shorter way again", within_s=60)


def test_rule_5_equal_routes_share_the_flows_by_their_five_tuple(lab):
    to_hq = carriers(lab, "hq")
    assert len(to_hq) == 2
    assert lab.exec("bgw1", ["cat", "/proc/sys/net/ipv4/fib_multipath_hash_policy"]).stdout == b"3\n"
    flows = [("sport", str(port), "dport", "80") for port in range(40000, 40032)]
    assert {hop for flow in flows for hop in carrier(lab, "172.16.1.10", "ipproto", "tcp", *flow)} == to_hq


def candidates(lab):
    """The propagated table's destinations, with what they lead to."""
    return {(route["destination"], route["next_hop"]) for route in table(lab, "bgw1", table="propagated")}


def interface(lab, tunnel):
    return next(port.interface for port in lab.plan.node("bgw1").tables.tunnels if port.tunnel == tunnel)


def carrier(lab, address, *flow):
    """The interface that the kernel chooses for a packet from the VPC."""
    words = ["ip", "-j", "route", "get", address, "from", "10.0.1.10", "iif", "vpc1", *flow]
    done = lab.exec("bgw1", words)
    assert done.returncode == 0, done.stderr
    return {route["dev"] for route in json.loads(done.stdout)}


def packets_out(lab):
    tunnels = lab.node("bgw1").report.endpoint.tunnels
    return {tunnel.name: tunnel.child.packets_out if tunnel.child else 0 for tunnel in tunnels}


def test_a_subnet_that_overlaps_an_earlier_one_is_kept_and_not_valid(lab):
    notes = {route["destination"]: route["note"] for route in table(lab, "bgw1", table="propagated")}
    assert notes["10.0.1.128/25"] == "invalid: overlaps 10.0.1.0/24 of app"
    assert notes["172.16.2.0/24"] == ""


def test_a_port_that_goes_down_takes_its_routes_out_of_every_table(lab):
    ports = {str(route.source): route.interface for route in lab.plan.node("bgw1").source_routes}
    first = next(pair for pair in lab.plan.tunnels if pair.vpn_connection == "branch")
    port = ports[str(first.cloud_address)]
    left = carriers(lab, "branch") - {tunnel.interface for tunnel in lab.plan.node("bgw1").tables.tunnels
                                      if tunnel.tunnel == first.name}  # fmt: skip
    try:
        assert lab.exec("bgw1", ["ip", "link", "set", port, "down"]).returncode == 0
        lab.wait_for(lambda report: routed(report, "172.16.2.0/24") == left, "the other tunnel alone")
        assert kernel(lab, "bgw1") == valid(lab)
        cut = [pair.name for pair in lab.plan.tunnels if pair.cloud_address == first.cloud_address]
        lab.wait_for(given_up(*cut), f"end of {', '.join(cut)} at both ends")
    finally:
        assert lab.exec("bgw1", ["ip", "link", "set", port, "up"]).returncode == 0
    both = carriers(lab, "branch")
    lab.wait_for(
        # Other connections' tunnels go through this port, too; their routes come back one by one.
        lambda report: routed(report, "172.16.2.0/24") == both and kernel(lab, "bgw1") == valid(lab),
        "both tunnels again, and a kernel that forwards by the valid table",
        within_s=60,
    )


def routed(report, destination):
    routes = report.node("bgw1").report.routes
    return {hop.interface for route in routes if str(route.destination) == destination for hop in route.next_hops}


def test_a_vpc_takes_what_its_propagation_bounds_and_prefers_the_lower_priority(lab):
    late = {(route["destination"], route["origin"]): route["used"] for route in table(lab, "vpc", "late")}
    assert late == {
        ("10.0.1.0/24", "propagated"): "yes",
        ("172.16.0.0/16", "propagated"): "yes",
        ("172.16.1.0/24", "propagated"): "yes",
        ("172.16.1.0/24", "static"): "no",
        ("172.16.2.0/24", "propagated"): "yes",
        ("172.16.3.0/24", "propagated"): "yes",
        ("172.17.0.0/16", "propagated"): "yes",
    }
    used = {destination for (destination, _), state in late.items() if state == "yes"}
    assert set(kernel(lab, "vpc-late")) == used | {"10.1.1.10"}
    assert {"10.1.1.0/24", "172.16.1.0/24"} <= set(kernel(lab, "vpc-app"))


def test_vpcs_reach_each_other_and_both_customers(lab):
    for destination in ("vm2", "hq-host", "branch-host"):
        done = lab.vpnlab("ping", "-c", "1", "vm1", destination)
        assert done.returncode == 0, done.stderr + done.stdout


def test_nothing_passes_between_two_vpn_connections(lab):
    before = dropped(lab)
    done = lab.exec("branch-host", ["ping", "-n", "-q", "-c", "3", "-i", "0.2", "-W", "1", "172.16.1.10"])
    assert b" 0 received" in done.stdout, done.stdout
    assert dropped(lab) == before + 3
    announced = {str(prefix) for neighbor in lab.plan.node("bgw1").speaker.neighbors for prefix in neighbor.announce}
    learned = {str(route.destination) for route in lab.node("hq-gw").report.routes if route.origin == "bgp"}
    assert learned == announced == {"10.0.1.0/24", "10.1.1.0/24", "172.16.3.0/24"}


def dropped(lab):
    shown = json.loads(lab.exec("bgw1", ["nft", "-j", "list", "table", "inet", "vpnlab_transit"]).stdout)
    rules = [item["rule"] for item in shown["nftables"] if "rule" in item]
    return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)


def test_an_unknown_name_is_refused_with_those_that_there_are(lab):
    done = lab.vpnlab("routes", "bgw9")
    assert done.returncode == 2
    assert "border gateways: bgw1" in done.stderr

"""A customer's device behind NAT, with forwarded ports and without: the example on real engines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from path_mtu import forget, ping

from lab.control.readiness import lacks

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "nat.vpnlab.yaml"
INNER_MTU = 1422
"""Over 1500 bytes, for aes128 and sha256 in UDP: the cloud's documentation says so, too."""


@pytest.fixture(scope="module")
def lab(lab_of):
    with lab_of(EXAMPLE) as running:
        yield running


def tunnels(lab, node):
    return {tunnel.name: tunnel for tunnel in lab.node(node).report.endpoint.tunnels}


def test_both_ends_have_found_the_nat_and_put_esp_into_udp(lab):
    cloud, device = tunnels(lab, "bgw1"), tunnels(lab, "hq-gw")
    for name in ("hq-1", "hq-2"):
        assert (cloud[name].state, device[name].state) == ("up", "up")
        assert (cloud[name].ike.nat_local, cloud[name].ike.nat_remote) == (False, True)
        assert (device[name].ike.nat_local, device[name].ike.nat_remote) == (True, False)
        assert cloud[name].child.encapsulated_in_udp
        assert device[name].child.encapsulated_in_udp


def test_the_cloud_sees_the_public_addresses_and_the_device_its_own(lab):
    assert {str(tunnel.ike.remote_address) for tunnel in tunnels(lab, "bgw1").values()} == {
        "198.51.100.10",
        "192.0.2.10",
    }
    assert {str(tunnel.ike.local_address) for tunnel in tunnels(lab, "hq-gw").values()} == {
        "192.168.1.2",
        "192.168.2.2",
    }


def test_the_cloud_initiates_where_ports_are_forwarded_and_the_device_where_they_are_not(lab):
    assert {name: tunnel.ike.initiator for name, tunnel in tunnels(lab, "bgw1").items()} == {
        "hq-1": True,
        "hq-2": False,
    }


def test_nothing_but_udp_4500_passes_the_routers_once_the_tunnels_are_up(lab):
    for router in ("cpe1", "cpe2"):
        tracked = lab.exec(router, ["cat", "/proc/net/nf_conntrack"]).stdout.decode()
        assert re.search(r"udp .*dport=4500", tracked), tracked
        assert " unknown " not in tracked, "ESP without UDP"


def test_a_router_without_port_forwarding_lets_nothing_in_unasked(lab):
    for public, comes in (("198.51.100.10", True), ("192.0.2.10", False)):
        assert heard_unasked(lab, public, port=4501) is comes


def heard_unasked(lab, public, *, port):
    """Whether the device hears what the cloud sends to a public address, to IKE's port."""
    counting = (
        f"table ip heard {{ chain in {{ type filter hook prerouting priority raw; udp sport {port} counter; }}; }}"
    )
    assert lab.exec("hq-gw", ["nft", counting]).returncode == 0
    script = f"import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('203.0.113.10', {port}));"
    assert lab.exec("bgw1", ["python3", "-c", f"{script} s.sendto(b'x', ('{public}', 500))"]).returncode == 0
    # What goes to the router and back afterwards has overtaken nothing.
    assert lab.exec("bgw1", ["ping", "-c", "1", "-I", "203.0.113.10", public]).returncode == 0
    heard = lab.exec("hq-gw", ["nft", "list", "table", "ip", "heard"]).stdout.decode()
    assert lab.exec("hq-gw", ["nft", "delete table ip heard"]).returncode == 0
    counted = re.search(r"packets (\d+) ", heard)
    assert counted, heard
    return int(counted[1]) > 0


@pytest.mark.parametrize(("node", "target"), [("vm1", "172.16.1.10"), ("hq-host", "10.0.1.10")])
def test_what_may_not_be_fragmented_passes_at_the_inner_mtu_and_not_one_byte_above(lab, node, target):
    forget(lab, node)
    assert ping(lab, node, target, INNER_MTU).returncode == 0
    said = ping(lab, node, target, INNER_MTU + 1).stdout
    assert b"Frag needed and DF set (mtu = %d)" % INNER_MTU in said
    forget(lab, node)


def test_every_tunnel_carries_pings_and_a_bgp_session(lab):
    assert lab.vpnlab("ping").returncode == 0
    for node in ("bgw1", "hq-gw"):
        sessions = lab.node(node).report.speaker.sessions
        assert {session.name: session.state for session in sessions} == {"hq-1": "established", "hq-2": "established"}


def test_a_tunnel_through_a_router_without_port_forwarding_comes_back_after_both_charons_died(lab):
    killed = {node: lab.node(node).report.endpoint.pid for node in ("bgw1", "hq-gw")}
    for node, pid in killed.items():
        assert lab.exec(node, ["kill", "-KILL", str(pid)]).returncode == 0

    def is_ready_again(report):
        ends = {node: report.node(node).report.endpoint for node in killed}
        return not lacks(lab.plan, report) and all(
            end.restarts and end.pid != killed[node] for node, end in ends.items()
        )

    lab.wait_for(is_ready_again, "both tunnels and sessions with new charons", within_s=60)
    assert lab.vpnlab("ping").returncode == 0


def test_what_a_router_saw_before_it_translated_is_translated_afterwards(lab):
    """A flow that connection tracking knows keeps its translation, and all tries of a negotiation are one flow.

    The last test of this module: the tunnel through this router is disturbed for longer than is waited for here.
    """
    tracking = "table ip tracking { chain in { type filter hook prerouting priority 0; ct state new counter; }; }"
    assert lab.exec("cpe1", ["nft", tracking]).returncode == 0
    assert lab.exec("cpe1", ["nft", "delete table ip vpnlab_nat"]).returncode == 0
    assert not heard_unasked(lab, "198.51.100.10", port=4502)
    agent = lab.node("cpe1").agent_pid
    assert lab.exec(None, ["kill", "-KILL", str(agent)]).returncode == 0  # the next one makes the table again
    lab.wait_for(
        lambda report: not lacks(lab.plan, report) and report.node("cpe1").agent_pid != agent, "another agent of cpe1"
    )
    assert heard_unasked(lab, "198.51.100.10", port=4502)
    assert lab.exec("cpe1", ["nft", "delete table ip tracking"]).returncode == 0

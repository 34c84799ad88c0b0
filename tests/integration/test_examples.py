"""The topologies to copy, each brought up once: what its comments promise is seen on the running lab."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from replanning import changed, next_hops

from lab.control import record
from lab.plan.codec import to_json

pytestmark = [pytest.mark.lab, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="class")
def lab(request, lab_of):
    """The example that the class names, ready, for all of its tests."""
    with lab_of(EXAMPLES / f"{request.cls.example}.vpnlab.yaml") as running:
        yield running


def tunnels(report, node):
    return {tunnel.name: tunnel for tunnel in report.node(node).report.endpoint.tunnels}


def sessions(report, node):
    return {session.name: session for session in report.node(node).report.speaker.sessions}


def dropped(lab):
    """Packets that the border gateway has refused to forward between VPN connections."""
    shown = lab.exec("bgw1", ["nft", "list", "table", "inet", "vpnlab_transit"]).stdout
    return sum(map(int, re.findall(rb"counter packets (\d+)", shown)))


def shut(plan, node, name):
    """The plan with one tunnel administratively down at one end."""
    endpoint = plan.node(node).endpoint
    ends = tuple(replace(end, admin_up=end.admin_up and end.name != name) for end in endpoint.tunnels)
    return changed(plan, node, endpoint=replace(endpoint, tunnels=ends))


class TestSingleIp:
    example = "single-ip"

    def test_both_cloud_addresses_have_a_tunnel_to_the_one_address(self, lab):
        found = tunnels(lab.status().report, "shop-gw").values()
        assert {str(tunnel.ike.local_address) for tunnel in found} == {"198.51.100.10"}
        assert {str(tunnel.ike.remote_address) for tunnel in found} == {"203.0.113.10", "203.0.113.20"}

    def test_traffic_survives_the_loss_of_one_tunnel(self, lab):
        plan = shut(lab.plan, "bgw1", "shop-1")
        lab.call("apply", plan=to_json(plan), keys=record.read_keys(lab.name))
        lan, vpc = IPv4Network("172.16.1.0/24"), IPv4Network("10.0.1.0/24")
        lab.wait_for(
            lambda report: next_hops(report, "bgw1", lan) == next_hops(report, "shop-gw", vpc) == {"xfrm2"},
            "traffic in tunnel 2 alone",
        )
        assert lab.vpnlab("ping", "-c", "2", "vm1", "shop-host").returncode == 0


class TestFourIp:
    example = "four-ip"

    def test_each_cloud_address_has_a_connection_of_two_tunnels_there(self, lab):
        found = tunnels(lab.status().report, "aws-vgw").values()
        ends = {(str(tunnel.ike.remote_address), str(tunnel.ike.local_address)) for tunnel in found}
        assert ends == {
            ("203.0.113.10", "198.51.100.10"),
            ("203.0.113.10", "198.51.100.11"),
            ("203.0.113.20", "192.0.2.10"),
            ("203.0.113.20", "192.0.2.11"),
        }

    def test_the_clouds_share_the_flows_between_all_four(self, lab):
        report = lab.status().report
        all_four = {"xfrm1", "xfrm2", "xfrm3", "xfrm4"}
        assert next_hops(report, "bgw1", IPv4Network("172.31.0.0/16")) == all_four
        assert next_hops(report, "aws-vgw", IPv4Network("10.0.1.0/24")) == all_four


class TestTwoCustomers:
    example = "two-customers"

    @pytest.mark.parametrize("device", ["red-gw", "blue-gw"])
    def test_nothing_of_one_customer_is_announced_to_the_other(self, lab, device):
        report = lab.status().report
        vpc = IPv4Network("10.0.1.0/24")
        assert {session.accepted for session in sessions(report, device).values()} == {(vpc,)}
        learned = {route.destination for route in report.node(device).report.routes if route.origin == "bgp"}
        assert learned == {vpc}

    @pytest.mark.parametrize("host", ["red-host", "blue-host"])
    def test_each_customer_reaches_the_vpc(self, lab, host):
        assert lab.vpnlab("ping", "-c", "1", host, "vm1").returncode == 0

    @pytest.mark.parametrize(("source", "target", "lan"), [("red", "172.16.2.10", "2"), ("blue", "172.16.1.10", "1")])
    def test_nothing_is_forwarded_from_one_customer_to_the_other(self, lab, source, target, lan):
        interface = lab.plan.node(f"{source}-gw").endpoint.tunnels[0].interface
        lab.exec(f"{source}-gw", ["ip", "route", "add", f"172.16.{lan}.0/24", "dev", interface])
        before = dropped(lab)
        done = lab.exec(f"{source}-host", ["ping", "-n", "-q", "-c", "3", "-i", "0.2", "-W", "1", target])
        assert b" 0 received" in done.stdout, done.stdout
        assert dropped(lab) == before + 3, "the border gateway is not where they ended"


class TestStatic:
    example = "static"

    def test_both_ends_share_their_static_route_between_the_tunnels(self, lab):
        for node, destination in (("bgw1", "172.16.0.0/16"), ("hq-gw", "10.0.0.0/16")):
            assert over(lab, node, destination) == {"xfrm1", "xfrm2"}

    def test_a_tunnel_that_is_disabled_is_no_way_any_more(self, lab):
        assert lab.vpnlab("tunnel disable", "hq-1").returncode == 0
        for node, destination in (("bgw1", "172.16.0.0/16"), ("hq-gw", "10.0.0.0/16")):
            assert over(lab, node, destination) == {"xfrm2"}
        assert lab.vpnlab("ping", "-c", "2", "vm1", "hq-host").returncode == 0


class TestRegionToRegion:
    example = "region-to-region"

    def test_static_routes_carry_traffic_between_the_regions(self, lab):
        assert lab.node("bgw1").report.speaker is None
        assert lab.vpnlab("ping", "-c", "2", "vm1", "far-vm").returncode == 0


class TestPolicy:
    example = "policy"
    local, remote = ("10.0.1.0/24",), ("172.16.1.0/24", "172.16.3.0/24")

    def test_the_child_sas_have_the_selectors_of_the_connection(self, lab):
        report = lab.status().report
        for name in ("hq-1", "hq-2"):
            cloud, idc = tunnels(report, "bgw1")[name].child, tunnels(report, "hq-gw")[name].child
            assert (cloud.local_ts, cloud.remote_ts) == (self.local, self.remote)
            assert (idc.local_ts, idc.remote_ts) == (self.remote, self.local)

    @pytest.mark.parametrize(("source", "target"), [("vm1", "hq-host"), ("hq-host", "vm1")])
    def test_what_the_selectors_name_goes_through(self, lab, source, target):
        assert lab.vpnlab("ping", "-c", "2", source, target).returncode == 0

    @pytest.mark.parametrize(
        ("source", "target"),
        [("vm1", "172.16.2.10"), ("vm2", "172.16.1.10"), ("office-host", "10.0.1.10"), ("hq-host", "10.0.2.10")],
    )
    def test_what_they_do_not_name_goes_nowhere(self, lab, source, target):
        assert over(lab, "bgw1", "172.16.0.0/16") == over(lab, "hq-gw", "10.0.0.0/16") == {"xfrm1", "xfrm2"}
        before = carried(lab)
        done = lab.exec(source, ["ping", "-n", "-q", "-c", "3", "-i", "0.2", "-W", "1", target])
        assert b" 0 received" in done.stdout, done.stdout
        assert carried(lab) == before


def carried(lab):
    """Packets that went into the tunnels at either end."""
    report = lab.status().report
    return [tunnel.child.packets_out for node in ("bgw1", "hq-gw") for tunnel in tunnels(report, node).values()]


class TestTwoVpcs:
    example = "two-vpcs"

    def test_the_vpcs_reach_each_other(self, lab):
        assert lab.vpnlab("ping", "-c", "2", "vm1", "vm2").returncode == 0

    def test_the_later_of_two_that_overlap_takes_over_when_the_first_goes_and_keeps_its_place(self, lab, tmp_path):
        file = EXAMPLES / "two-vpcs.vpnlab.yaml"
        assert subnets(lab) == {"10.0.1.0/24", "10.0.2.0/24"}
        without = tmp_path / "without.vpnlab.yaml"
        without.write_text(file.read_text().replace("    - {vpc: app, border_gateway: bgw1}\n", ""))
        assert applied(lab, without).returncode == 0
        assert subnets(lab) == {"10.0.1.0/25", "10.0.2.0/24"}
        assert applied(lab, file).returncode == 0
        assert subnets(lab) == {"10.0.1.0/25", "10.0.2.0/24"}


def over(lab, node, destination):
    """The interfaces of a route in a node's kernel."""
    routes = lab.node(node).report.routes
    return {hop.interface for route in routes if str(route.destination) == destination for hop in route.next_hops}


def subnets(lab):
    """The VPC subnets in the border gateway's kernel, which are those that the customer has learned."""
    cloud = {str(route.destination) for route in lab.node("bgw1").report.routes if route.origin == "static"}
    learned = {str(route.destination) for route in lab.node("hq-gw").report.routes if route.origin == "bgp"}
    assert cloud == learned
    return cloud


def applied(lab, file):
    return lab.vpnlab("apply", "-t", str(file))


class TestLegacy:
    example = "legacy"

    @pytest.mark.parametrize("node", ["bgw1", "old-gw"])
    def test_both_ends_speak_ikev1_with_3des_sha1_and_group_2(self, lab, node):
        for tunnel in tunnels(lab.status().report, node).values():
            assert tunnel.ike.version == 1
            assert tunnel.ike.proposal == "3DES_CBC/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024"
            assert tunnel.child.proposal == "AES_CBC-128/HMAC_SHA1_96/MODP_1024"

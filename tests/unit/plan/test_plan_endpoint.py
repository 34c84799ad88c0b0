"""An endpoint alone as a NodePlan, and what the other end has to be set to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from endpoint.plan import NextHop
from lab.plan.codec import from_json, to_json
from lab.plan.endpoint import both_ends, compile_endpoint
from lab.plan.mirror import mirror
from lab.plan.model import NodePlan
from lab.spec.endpoint_load import parse_endpoint

EXAMPLES = Path(__file__).parents[3] / "examples/endpoint"


def spec(name, *edits):
    text = (EXAMPLES / f"{name}.yaml").read_text()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return parse_endpoint(text.encode(), name)


def notes(found):
    return {setting.parameter: setting.note for setting in found[0].settings}


def values(found, tunnel=0):
    return {setting.parameter: (setting.here, setting.there) for setting in found[tunnel].settings}


def test_the_clouds_end_is_what_its_file_says():
    plan = compile_endpoint(spec("cloud"), {})
    first = plan.endpoint.tunnels[0]
    assert (plan.name, plan.role, plan.interfaces) == ("cloud", "border-gateway", ())
    assert (first.name, first.interface, first.if_id, first.initiate) == ("cloud-1", "xfrm1", 1, True)
    assert (first.inner, first.peer_inner) == (IPv4Interface("169.254.10.2/30"), IPv4Address("169.254.10.1"))
    assert (plan.speaker.local_as, plan.speaker.router_id) == (65000, IPv4Address("203.0.113.10"))
    assert [neighbor.announce for neighbor in plan.speaker.neighbors] == [(IPv4Network("10.0.1.0/24"),)] * 2
    assert plan.speaker.max_prefixes == 300
    assert ("net/ipv4/ip_forward", "1") in plan.sysctls
    assert from_json(NodePlan, to_json(plan)) == plan


def test_the_two_examples_are_the_two_ends_of_one_connection():
    for ours, theirs in zip(both_ends(spec("cloud"), {}), both_ends(spec("idc"), {}), strict=True):
        for mine, other in ((ours.there, theirs.here), (ours.here, theirs.there)):
            same = replace(other.tunnel, name=mine.tunnel.name)
            assert same == mine.tunnel
            assert replace(other.session, name=mine.session.name, announce=mine.session.announce) == mine.session


def test_behind_a_nat_the_host_has_another_address_and_keeps_its_identity():
    natted = spec("cloud", ("# own_address: auto         ", "own_address: 172.17.0.2 "))
    plan = compile_endpoint(natted, {IPv4Address("203.0.113.10"): IPv4Address("172.17.0.2")})
    tunnel = plan.endpoint.tunnels[0]
    assert (str(tunnel.local_address), tunnel.local_id) == ("172.17.0.2", "203.0.113.10")
    assert tunnel.inner_mtu == 1422
    assert str(plan.endpoint.tunnels[1].local_address) == "203.0.113.20"
    public = values(mirror(natted))
    assert public["public address"] == ("203.0.113.10", "198.51.100.10")
    assert "UDP 500 and 4500 of it to 172.17.0.2" in notes(mirror(natted))["public address"]


def test_a_nat_elsewhere_and_a_narrow_path_leave_less_room():
    assert compile_endpoint(spec("idc", ("side:", "nat: true\nside:")), {}).endpoint.tunnels[0].inner_mtu == 1422
    assert compile_endpoint(spec("idc", ("side:", "path_mtu: 1492\nside:")), {}).endpoint.tunnels[0].inner_mtu == 1422


@pytest.mark.parametrize(
    ("lines", "initiate", "passive"),
    [("", False, True), ("initiate: true\n", True, True), ("bgp_passive: false\n", False, False)],
)
def test_who_begins_can_be_turned_round_for_a_cloud_that_waits(lines, initiate, passive):
    found = both_ends(spec("idc", ("side:", f"{lines}side:")), {})[0]
    assert (found.here.tunnel.initiate, found.there.tunnel.initiate) == (initiate, not initiate)
    assert (found.here.session.passive, found.there.session.passive) == (passive, not passive)


def test_without_bgp_static_routes_lead_over_all_tunnels():
    static = spec("idc", ("announce: [172.16.1.0/24]", "bgp: false\nroutes: [10.0.1.0/24]"))
    plan = compile_endpoint(static, {})
    assert plan.speaker is None
    (route,) = plan.routes
    assert route.next_hops == (
        NextHop("xfrm1", IPv4Address("169.254.10.2")), NextHop("xfrm2", IPv4Address("169.254.10.6"))
    )  # fmt: skip
    assert values(mirror(static))["static routes"] == (
        "10.0.1.0/24 over the tunnel", "this end's networks over the tunnel"
    )  # fmt: skip


def test_what_one_file_says_of_the_other_end_is_what_the_other_file_says_of_itself():
    theirs_own = {"announces", "pre-shared key"}
    for tunnel in (0, 1):
        cloud, idc = values(mirror(spec("cloud")), tunnel), values(mirror(spec("idc")), tunnel)
        for parameter in cloud.keys() - theirs_own:
            told, (is_so, _) = cloud[parameter][1], idc[parameter]
            assert told in (is_so, f"{is_so} or less", f"{is_so} (the lower one counts)"), parameter


def test_every_parameter_that_the_ends_have_to_agree_on_is_named():
    assert set(values(mirror(spec("cloud")))) >= {
        "public address", "peer address", "own identity", "peer identity", "pre-shared key", "IKE version",
        "IKE encryption", "IKE integrity and PRF", "IKE DH group", "IKE SA lifetime", "dead peer detection",
        "ESP encryption", "ESP integrity", "PFS group", "child SA lifetime", "own traffic selector",
        "peer traffic selector", "inner address", "peer's inner address", "inner MTU", "TCP MSS", "own ASN",
        "peer ASN", "hold time", "announces",
    }  # fmt: skip


def test_the_traps_of_the_defaults_are_named():
    found = notes(mirror(spec("idc")))
    assert "published device examples set a group" in found["PFS group"]
    assert found["PFS group"].endswith("works until the first rekey, then no child SA is left")
    assert "1450 is announced as the limit" in found["inner MTU"]
    assert "policy-based" in found["own traffic selector"]
    assert "private address" in found["own identity"]
    assert "1-20 of A-Z" in found["pre-shared key"]
    grouped = spec("idc", ("psk_file: keys/office-1", "psk_file: keys/office-1\n    ipsec_key_exchange: modp2048"))
    assert values(mirror(grouped))["PFS group"] == ("modp2048 (group 14)", "modp2048 (group 14)")
    assert "the cloud's default is none" in notes(mirror(grouped))["PFS group"]


def test_an_inner_network_that_aws_keeps_for_itself_is_named():
    found = notes(mirror(spec("idc", ("169.254.10.0/30", "169.254.1.0/30"))))
    assert found["inner address"] == "AWS keeps this network for itself"
    assert notes(mirror(spec("idc")))["inner address"] is None


def test_no_key_is_in_a_plan():
    assert "psk" not in str(to_json(compile_endpoint(spec("cloud"), {})))

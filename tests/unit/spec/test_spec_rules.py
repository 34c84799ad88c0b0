"""Each rule between values, broken in a copy of the reference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import SpecError
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.rule_parts import Placed, overlaps

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())
FILE = "ha.vpnlab.yaml"

Edit = Callable[[dict[str, Any]], object]


def problems_after(edit: Edit) -> list[tuple[str, str]]:
    tree = copy.deepcopy(TREE)
    edit(tree)
    try:
        parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), FILE)
    except SpecError as error:
        return [(problem.where, problem.what) for problem in error.problems if problem.line]
    return []


def cloud(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = tree["cloud"]
    return part


def app(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = cloud(tree)["vpcs"]["app"]
    return part


def hq(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = cloud(tree)["vpn_connections"]["hq"]
    return part


def tunnel(tree: dict[str, Any], index: int = 0) -> dict[str, Any]:
    part: dict[str, Any] = hq(tree)["tunnels"][index]
    return part


def lans(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = tree["idc"]["devices"]["hq-gw"]["lans"]
    return part


def attachment(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = cloud(tree)["vpc_attachments"][0]
    return part


CONNECTION = "cloud.vpn_connections.hq"
TUNNEL = f"{CONNECTION}.tunnels[0]"
VM1 = "cloud.vpcs.app.instances.vm1"
LAN = "idc.devices.hq-gw.lans.hq-lan"
CUSTOMER = "cloud.customer_gateways.hq"


def behind_nat(tree: dict[str, Any], **changes: dict[str, str]) -> None:
    """Both public addresses of the device on NAT routers, with changes by router."""
    routers = {
        "cpe1": {"public_address": "198.51.100.10", "device_address": "192.168.1.2"},
        "cpe2": {"public_address": "192.0.2.10", "device_address": "192.168.2.2"},
    }
    device: dict[str, Any] = tree["idc"]["devices"]["hq-gw"]
    device["nat_routers"] = {name: router | changes.get(name, {}) for name, router in routers.items()}


CPE2 = "idc.devices.hq-gw.nat_routers.cpe2"

BROKEN: dict[str, tuple[Edit, str, str]] = {
    "DPD set where it is off": (
        lambda t: tunnel(t).update(ike_dpd_sec=0, dpd_delay_sec=2),
        f"{TUNNEL}.dpd_delay_sec",
        "DPD is off",
    ),
    "keepalive without hold time": (
        lambda t: tunnel(t).update(bgp_keepalive_sec=2),
        f"{TUNNEL}.bgp_keepalive_sec",
        "no bgp_hold_sec",
    ),
    "keepalive too slow": (
        lambda t: tunnel(t).update(bgp_hold_sec=9, bgp_keepalive_sec=4),
        f"{TUNNEL}.bgp_keepalive_sec",
        "more than a third",
    ),
    "retries differ": (lambda t: tunnel(t).update(dpd_retries=2), f"{CONNECTION}.tunnels[1]", "dpd_retries differs"),
    "NAT router with an address of nobody": (
        lambda t: behind_nat(t, cpe2={"public_address": "192.0.2.11"}),
        f"{CPE2}.public_address",
        "192.0.2.11 is no public address of customer gateway hq",
    ),
    "two NAT routers with one address": (
        lambda t: behind_nat(t, cpe2={"public_address": "198.51.100.10"}),
        f"{CPE2}.public_address",
        "198.51.100.10 is that of idc.devices.hq-gw.nat_routers.cpe1.public_address too",
    ),
    "a public address behind NAT": (
        lambda t: behind_nat(t, cpe2={"device_address": "203.0.113.99"}),
        f"{CPE2}.device_address",
        "203.0.113.99 is not a private address",
    ),
    "one address behind two NAT routers": (
        lambda t: behind_nat(t, cpe2={"device_address": "192.168.1.2"}),
        f"{CPE2}.device_address",
        "192.168.1.2 is that of idc.devices.hq-gw.nat_routers.cpe1.device_address too",
    ),
    "an address behind NAT in the device's own LAN": (
        lambda t: behind_nat(t, cpe2={"device_address": "172.16.1.9"}),
        f"{CPE2}.device_address",
        "172.16.1.9 is in 172.16.1.0/24",
    ),
    "NAT router named as a host": (
        lambda t: t["idc"]["devices"]["hq-gw"].update(
            nat_routers={"hq-host": {"public_address": "192.0.2.10", "device_address": "192.168.1.2"}}
        ),
        f"{LAN}.hosts.hq-host",
        "the name hq-host of a host is that of a NAT router",
    ),
    "vpc unknown": (lambda t: attachment(t).update(vpc="ap"), "cloud.vpc_attachments[0].vpc", "no VPC 'ap'"),
    "border gateway unknown": (lambda t: hq(t).update(border_gateway="x"), f"{CONNECTION}.border_gateway", "'x'"),
    "customer gateway unknown": (
        lambda t: t["idc"]["devices"]["hq-gw"].update(customer_gateway="x"),
        "idc.devices.hq-gw.customer_gateway",
        "no customer gateway 'x'",
    ),
    "subnet unknown": (lambda t: app(t)["instances"]["vm1"].update(subnet="wbe"), f"{VM1}.subnet", "'wbe'"),
    "propagated subnet unknown": (
        lambda t: attachment(t).update(propagate="partial", subnets=["db"]),
        "cloud.vpc_attachments[0].subnets[0]",
        "no subnet of VPC app 'db'",
    ),
    "node named twice": (
        lambda t: lans(t)["hq-lan"].update(hosts={"vm1": "172.16.1.10"}),
        f"{LAN}.hosts.vm1",
        "the name vm1 of a host is that of an instance cloud.vpcs.app.instances.vm1 too",
    ),
    "node named like the router": (
        lambda t: lans(t)["hq-lan"].update(hosts={"internet": "172.16.1.10"}),
        f"{LAN}.hosts.internet",
        "the router between the two sides",
    ),
    "node named like a VPC's router": (
        lambda t: lans(t)["hq-lan"].update(hosts={"vpc-app": "172.16.1.10"}),
        f"{LAN}.hosts.vpc-app",
        "the router of a VPC",
    ),
    "subnet outside its VPC": (
        lambda t: app(t)["subnets"].update(db="10.1.0.0/24"),
        "cloud.vpcs.app.subnets.db",
        "not inside the VPC's range 10.0.0.0/16",
    ),
    "subnets overlap": (
        lambda t: app(t)["subnets"].update(db="10.0.1.128/25"),
        "cloud.vpcs.app.subnets.db",
        "10.0.1.128/25 overlaps 10.0.1.0/24 of cloud.vpcs.app.subnets.web",
    ),
    "LANs overlap": (
        lambda t: lans(t).update(b={"cidr": "172.16.0.0/16"}),
        f"{LAN}.cidr",
        "172.16.1.0/24 overlaps 172.16.0.0/16",
    ),
    "VPC and IDC overlap": (
        lambda t: lans(t).update(b={"cidr": "10.0.128.0/24"}),
        "idc.devices.hq-gw.lans.b.cidr",
        "10.0.128.0/24 overlaps 10.0.0.0/16 of cloud.vpcs.app.cidr",
    ),
    "IDC holds the VPC": (
        lambda t: lans(t).update(b={"cidr": "10.0.0.0/8"}),
        "idc.devices.hq-gw.lans.b.cidr",
        "overlaps",
    ),
    "inner network in the VPC": (lambda t: tunnel(t).update(inner="10.0.9.0/30"), f"{TUNNEL}.inner", "overlaps"),
    "public address in a LAN": (
        lambda t: lans(t).update(b={"cidr": "192.0.2.0/24"}),
        f"{CUSTOMER}.public_addresses[1]",
        "192.0.2.10 is in 192.0.2.0/24 of idc.devices.hq-gw.lans.b.cidr",
    ),
    "customer addresses equal": (
        lambda t: cloud(t)["customer_gateways"].update(
            b={"asn": 65011, "public_addresses": ["192.0.2.20", "192.0.2.20"]}
        ),
        "cloud.customer_gateways.b.public_addresses[1]",
        "192.0.2.20 is that of cloud.customer_gateways.b.public_addresses[0] too",
    ),
    "address of another end": (
        lambda t: cloud(t)["vpn_connections"].update(
            b={"border_gateway": "bgw1", "customer_gateway": "hq", "public_addresses": ["192.0.2.10", "203.0.113.9"]}
        ),
        "cloud.vpn_connections.b.public_addresses[0]",
        f"192.0.2.10 is that of {CUSTOMER}.public_addresses[1] too",
    ),
    "instance outside its subnet": (
        lambda t: app(t)["instances"]["vm1"].update(address="10.0.2.1"),
        f"{VM1}.address",
        "10.0.2.1 is not in 10.0.1.0/24",
    ),
    "instance has the router's address": (
        lambda t: app(t)["instances"]["vm1"].update(address="10.0.1.1"),
        f"{VM1}.address",
        "router's address",
    ),
    "host has the network address": (
        lambda t: lans(t)["hq-lan"]["hosts"].update({"hq-host": "172.16.1.0"}),
        f"{LAN}.hosts.hq-host",
        "network address",
    ),
    "host has the broadcast address": (
        lambda t: lans(t)["hq-lan"]["hosts"].update({"hq-host": "172.16.1.255"}),
        f"{LAN}.hosts.hq-host",
        "broadcast address",
    ),
    "two hosts have one address": (
        lambda t: lans(t)["hq-lan"]["hosts"].update({"b": "172.16.1.10"}),
        f"{LAN}.hosts.b",
        f"172.16.1.10 is that of {LAN}.hosts.hq-host too",
    ),
    "attached twice": (
        lambda t: cloud(t)["vpc_attachments"].append({"vpc": "app", "border_gateway": "bgw1"}),
        "cloud.vpc_attachments[1]",
        "attached to bgw1 twice",
    ),
    "partial without subnets": (
        lambda t: attachment(t).update(propagate="partial"),
        "cloud.vpc_attachments[0]",
        "no subnets are named",
    ),
    "subnets without partial": (
        lambda t: attachment(t).update(subnets=["web"]),
        "cloud.vpc_attachments[0].subnets",
        "propagate is all",
    ),
    "two devices of one customer gateway": (
        lambda t: t["idc"]["devices"].update({"b-gw": {"customer_gateway": "hq"}}),
        "idc.devices.b-gw.customer_gateway",
        "is device hq-gw already",
    ),
    "ASNs equal": (
        lambda t: cloud(t)["border_gateways"]["bgw1"].update(asn=65010),
        f"{CONNECTION}.customer_gateway",
        "both ends have ASN 65010",
    ),
    "local ASN equal": (lambda t: hq(t).update(local_asn=65010), f"{CONNECTION}.local_asn", "both ends"),
    "tunnel from a foreign cloud address": (
        lambda t: tunnel(t).update(cloud_address="203.0.113.99"),
        f"{TUNNEL}.cloud_address",
        "no public address of the connection",
    ),
    "tunnel to a foreign customer address": (
        lambda t: tunnel(t).update(customer_address="198.51.100.99"),
        f"{TUNNEL}.customer_address",
        "no public address of customer gateway hq",
    ),
    "tunnels of unknown cloud addresses": (
        lambda t: hq(t).pop("public_addresses"),
        f"{TUNNEL}.cloud_address",
        "the connection's addresses are left out",
    ),
    "two tunnels of one address pair": (
        lambda t: tunnel(t, 1).update(cloud_address="203.0.113.10", customer_address="198.51.100.10"),
        f"{CONNECTION}.tunnels[1]",
        f"is the address pair of {TUNNEL} too",
    ),
    "inner network twice": (
        lambda t: tunnel(t, 1).update(inner="169.254.10.0/30"),
        f"{CONNECTION}.tunnels[1].inner",
        f"169.254.10.0/30 is the inner network of {TUNNEL} too",
    ),
    "identities twice, with other keys": (
        lambda t: [tunnel(t, n).update(local_id="cloud", remote_id="hq", psk=f"key-{n}") for n in (0, 1)],
        f"{CONNECTION}.tunnels[1].local_id",
        f"the identities 'cloud' and 'hq' are those of {TUNNEL} too",
    ),
    "cloud's inner address elsewhere": (
        lambda t: tunnel(t).update(cloud_inner_address="169.254.10.3"),
        f"{TUNNEL}.cloud_inner_address",
        "169.254.10.3 is no host of 169.254.10.0/30",
    ),
}


@pytest.mark.parametrize(("edit", "where", "what"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_named_where_it_is_broken(edit: Edit, where: str, what: str) -> None:
    found = problems_after(edit)
    assert any(place == where and what in words for place, words in found), found


KEPT: dict[str, Edit] = {
    "equal ASNs without BGP": lambda t: (
        hq(t).update(bgp=False),
        cloud(t)["border_gateways"]["bgw1"].update(asn=65010),
    ),
    "tunnels left out": lambda t: hq(t).pop("tunnels"),
    "addresses and tunnels left out": lambda t: (hq(t).pop("tunnels"), hq(t).pop("public_addresses")),
    "a connection that has no tunnel yet": lambda t: hq(t).update(tunnels=[]),
    "two VPCs that overlap": lambda t: cloud(t)["vpcs"].update(b={"cidr": "10.0.0.0/16"}),
    "one propagated subnet": lambda t: attachment(t).update(propagate="partial", subnets=["web"]),
    "cloud is the first inner host": lambda t: tunnel(t).update(cloud_inner_address="169.254.10.1"),
    "no IDC": lambda t: t.pop("idc"),
    "a /30 as LAN": lambda t: lans(t).update(b={"cidr": "172.16.9.0/30", "hosts": {"b-host": "172.16.9.2"}}),
}


@pytest.mark.parametrize("edit", KEPT.values(), ids=KEPT)
def test_what_the_cloud_takes_is_taken(edit: Edit) -> None:
    assert problems_after(edit) == []


PREFIXES = st.builds(
    lambda bits, length: IPv4Network((bits << 24, length), strict=False), st.integers(1, 12), st.integers(4, 10)
)


@given(st.lists(PREFIXES, max_size=8), st.lists(PREFIXES, max_size=8))
def test_the_walk_over_ranges_finds_what_comparing_every_pair_finds(
    left: list[IPv4Network], right: list[IPv4Network]
) -> None:
    lefts = [Placed(network, ("left", index)) for index, network in enumerate(left)]
    rights = [Placed(network, ("right", index)) for index, network in enumerate(right)]
    pairs = list(overlaps(lefts, rights))
    every = [(one, other) for one in lefts for other in rights if one.network.overlaps(other.network)]
    assert all(pair in every for pair in pairs)
    assert bool(pairs) == bool(every)


def test_a_tunnel_may_have_timers_of_its_own() -> None:
    def edit(tree: dict[str, Any]) -> None:
        tunnel(tree).update(dpd_delay_sec=2, dpd_retries=2, bgp_hold_sec=9, bgp_keepalive_sec=2)
        tunnel(tree, 1).update(dpd_retries=2)

    assert problems_after(edit) == []


def test_a_device_behind_nat_breaks_no_rule() -> None:
    assert problems_after(behind_nat) == []

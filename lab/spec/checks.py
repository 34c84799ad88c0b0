"""What must hold between the values of a LabSpec: one function per rule, each yields what breaks it.

The rules are the cloud's unless their docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.spec.address_checks import (
    hosts_have_an_address_of_their_network,
    inner_networks_are_apart_from_the_ranges,
    neighbouring_ranges_are_apart,
    public_addresses_are_apart_from_the_ranges,
    public_addresses_are_distinct,
    subnets_lie_in_their_vpc,
    vpc_and_idc_do_not_overlap,
)
from lab.spec.model import LabSpec
from lab.spec.names import node_name
from lab.spec.nat_checks import (
    device_addresses_behind_nat_are_private,
    nat_routers_have_addresses_of_the_customer_gateway,
)
from lab.spec.policy_checks import ikev1_has_one_selector, policy_mode_has_no_bgp, selectors_are_one_child_sa
from lab.spec.quota_checks import quotas_are_kept
from lab.spec.route_checks import (
    device_routes_lead_to_its_connections,
    prepends_concern_its_tunnels_once,
    static_routes_lead_somewhere,
    vpc_routes_lead_to_attached_gateways,
)
from lab.spec.rule_parts import Findings, refers
from lab.spec.timer_checks import (
    dpd_settings_need_dpd,
    gateways_have_one_schedule_of_retries,
    keepalives_keep_the_hold_time,
)
from lab.spec.tunnel_checks import (
    cloud_inner_address_is_in_the_inner_network,
    identity_pairs_tell_the_keys_apart,
    inner_networks_are_unique,
    one_tunnel_per_address_pair,
    tunnel_addresses_belong_to_their_ends,
)
from lab.spec.walks import connections
from lab.spec.wording import Finding, Path, dotted

ROUTER_NODE = "internet"  # the router between the two sides
VPC_NODE_PREFIX = "vpc-"  # the node of VPC `app` is called vpc-app


def broken_rules(spec: LabSpec) -> Findings:
    """All that is wrong with the spec, rule by rule; lazily, so that the caller may stop."""
    for rule in RULES:
        yield from rule(spec)


def references_exist(spec: LabSpec) -> Findings:
    """A name that refers to something is the name of something."""
    cloud = spec.cloud
    for index, attachment in enumerate(cloud.vpc_attachments):
        path: Path = ("cloud", "vpc_attachments", index)
        yield from refers((*path, "vpc"), attachment.vpc, "VPC", cloud.vpcs)
        yield from refers((*path, "border_gateway"), attachment.border_gateway, "border gateway", cloud.border_gateways)
        if attachment.vpc in cloud.vpcs:
            for place, name in enumerate(attachment.subnets or ()):
                subnets = cloud.vpcs[attachment.vpc].subnets
                yield from refers((*path, "subnets", place), name, f"subnet of VPC {attachment.vpc}", subnets)
    for name, vpc in cloud.vpcs.items():
        for vm, instance in vpc.instances.items():
            path = ("cloud", "vpcs", name, "instances", vm, "subnet")
            yield from refers(path, instance.subnet, f"subnet of VPC {name}", vpc.subnets)
    for path, connection in connections(spec):
        yield from refers((*path, "border_gateway"), connection.border_gateway, "border gateway", cloud.border_gateways)
        gateway = connection.customer_gateway
        yield from refers((*path, "customer_gateway"), gateway, "customer gateway", cloud.customer_gateways)
    for name, device in spec.idc.devices.items():
        path = ("idc", "devices", name, "customer_gateway")
        yield from refers(path, device.customer_gateway, "customer gateway", cloud.customer_gateways)


def node_names_are_unique(spec: LabSpec) -> Findings:
    """Ours: a node is found by its name alone (`vpnlab exec NAME`)."""
    seen: dict[str, str] = {ROUTER_NODE: "the router between the two sides"}
    for path, name, kind in _nodes(spec):
        node = node_name(name)
        if node in seen:
            why = "each node of the lab is called by its name alone"
            yield Finding(path, f"the name {name} of {kind} is that of {seen[node]} too", why, "rename one of them")
        else:
            seen[node] = f"{kind} {dotted(path)}"


def attachments_are_unique(spec: LabSpec) -> Findings:
    """At most one attachment per pair of VPC and border gateway."""
    seen: dict[tuple[str, str], int] = {}
    for index, attachment in enumerate(spec.cloud.vpc_attachments):
        first = seen.setdefault((attachment.vpc, attachment.border_gateway), index)
        if first != index:
            what = f"VPC {attachment.vpc} is attached to {attachment.border_gateway} twice"
            mend = f"remove it, or join it with cloud.vpc_attachments[{first}]"
            yield Finding(("cloud", "vpc_attachments", index), what, "the cloud takes one attachment per pair", mend)


def partial_propagation_names_subnets(spec: LabSpec) -> Findings:
    """`partial` comes with subnets, `all` and `none` without."""
    for index, attachment in enumerate(spec.cloud.vpc_attachments):
        path: Path = ("cloud", "vpc_attachments", index)
        if attachment.propagate == "partial" and not attachment.subnets:
            what = "propagate is partial, but no subnets are named"
            yield Finding(path, what, "partial propagates the subnets that are named", "add subnets: [...]")
        if attachment.propagate != "partial" and attachment.subnets is not None:
            what = f"subnets are named, but propagate is {attachment.propagate}"
            why = "a list of subnets counts with partial only"
            yield Finding((*path, "subnets"), what, why, "write propagate: partial, or remove subnets")


def one_device_per_customer_gateway(spec: LabSpec) -> Findings:
    """Ours: the addresses of a customer gateway are those of one device."""
    seen: dict[str, str] = {}
    for name, device in spec.idc.devices.items():
        first = seen.setdefault(device.customer_gateway, name)
        if first != name:
            what = f"customer gateway {device.customer_gateway} is device {first} already"
            why = "the public addresses of a customer gateway belong to one device"
            mend = "give each device a customer gateway of its own"
            yield Finding(("idc", "devices", name, "customer_gateway"), what, why, mend)


def asns_differ_for_bgp(spec: LabSpec) -> Findings:
    """eBGP only: with BGP on, the ASNs of the two ends differ."""
    for path, connection in connections(spec):
        border = spec.cloud.border_gateways.get(connection.border_gateway)
        customer = spec.cloud.customer_gateways.get(connection.customer_gateway)
        if not (connection.bgp and border and customer):
            continue
        if (connection.local_asn or border.asn) == customer.asn:
            step = "local_asn" if connection.local_asn else "customer_gateway"
            what = f"both ends have ASN {customer.asn}"
            why = "the cloud speaks eBGP only, and eBGP is between different ASNs"
            yield Finding((*path, step), what, why, "change one of the ASNs, or write bgp: false")


RULES: tuple[Callable[[LabSpec], Findings], ...] = (
    references_exist,
    node_names_are_unique,
    subnets_lie_in_their_vpc,
    neighbouring_ranges_are_apart,
    vpc_and_idc_do_not_overlap,
    inner_networks_are_apart_from_the_ranges,
    public_addresses_are_apart_from_the_ranges,
    public_addresses_are_distinct,
    hosts_have_an_address_of_their_network,
    attachments_are_unique,
    partial_propagation_names_subnets,
    one_device_per_customer_gateway,
    asns_differ_for_bgp,
    tunnel_addresses_belong_to_their_ends,
    one_tunnel_per_address_pair,
    inner_networks_are_unique,
    identity_pairs_tell_the_keys_apart,
    cloud_inner_address_is_in_the_inner_network,
    static_routes_lead_somewhere,
    vpc_routes_lead_to_attached_gateways,
    device_routes_lead_to_its_connections,
    dpd_settings_need_dpd,
    keepalives_keep_the_hold_time,
    gateways_have_one_schedule_of_retries,
    nat_routers_have_addresses_of_the_customer_gateway,
    device_addresses_behind_nat_are_private,
    prepends_concern_its_tunnels_once,
    policy_mode_has_no_bgp,
    selectors_are_one_child_sa,
    ikev1_has_one_selector,
    quotas_are_kept,
)


def _nodes(spec: LabSpec) -> Iterator[tuple[Path, str, str]]:
    for name in spec.cloud.border_gateways:
        yield ("cloud", "border_gateways", name), name, "a border gateway"
    for name, vpc in spec.cloud.vpcs.items():
        yield ("cloud", "vpcs", name), VPC_NODE_PREFIX + node_name(name), "the router of a VPC"
        for vm in vpc.instances:
            yield ("cloud", "vpcs", name, "instances", vm), vm, "an instance"
    for name, device in spec.idc.devices.items():
        yield ("idc", "devices", name), name, "a device"
        for router in device.nat_routers:
            yield ("idc", "devices", name, "nat_routers", router), router, "a NAT router"
        for lan_name, lan in device.lans.items():
            for host in lan.hosts:
                yield ("idc", "devices", name, "lans", lan_name, "hosts", host), host, "a host"

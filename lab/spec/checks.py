"""What must hold between the values of a LabSpec: one function per rule, each yields what breaks it.

The rules are the cloud's unless their docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network

from lab.cloud import quotas
from lab.spec.model import LabSpec, Tunnel, VpnConnection
from lab.spec.names import node_name
from lab.spec.nat_checks import (
    device_addresses,
    device_addresses_behind_nat_are_private,
    nat_routers_have_addresses_of_the_customer_gateway,
)
from lab.spec.policy_checks import ikev1_has_one_selector, policy_mode_has_no_bgp, selectors_are_one_child_sa
from lab.spec.route_checks import (
    device_routes_lead_to_its_connections,
    prepends_concern_its_tunnels_once,
    static_routes_lead_somewhere,
    vpc_routes_lead_to_attached_gateways,
)
from lab.spec.rule_parts import Findings, Placed, apart, distinct, is_host, overlaps, refers, row, within
from lab.spec.timer_checks import (
    dpd_settings_need_dpd,
    gateways_have_one_schedule_of_retries,
    keepalives_keep_the_hold_time,
)
from lab.spec.wording import Finding, Path, dotted, shown

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
    for path, connection in _connections(spec):
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


def subnets_lie_in_their_vpc(spec: LabSpec) -> Findings:
    """A subnet is a part of its VPC's range."""
    for name, vpc in spec.cloud.vpcs.items():
        for subnet, network in vpc.subnets.items():
            if not network.subnet_of(vpc.cidr):
                path = ("cloud", "vpcs", name, "subnets", subnet)
                what = f"{network} is not inside the VPC's range {vpc.cidr}"
                yield Finding(path, what, "a subnet is a part of its VPC", f"use a part of {vpc.cidr}")


def neighbouring_ranges_are_apart(spec: LabSpec) -> Findings:
    """The subnets of one VPC do not overlap, nor do the LANs of one device."""
    for name, vpc in spec.cloud.vpcs.items():
        yield from apart(
            Placed(network, ("cloud", "vpcs", name, "subnets", subnet)) for subnet, network in vpc.subnets.items()
        )
    for name, device in spec.idc.devices.items():
        yield from apart(
            Placed(lan.cidr, ("idc", "devices", name, "lans", lan_name, "cidr"))
            for lan_name, lan in device.lans.items()
        )


def vpc_and_idc_do_not_overlap(spec: LabSpec) -> Findings:
    """IDC and VPC address ranges must not overlap."""
    for vpc, lan in overlaps(_vpcs(spec), _lans(spec)):
        what = f"{lan.network} overlaps {vpc.network} of {dotted(vpc.path)}"
        why = "the two sides route to each other's ranges, so they must differ"
        yield Finding(lan.path, what, why, "choose a range that is in use on one side only")


def inner_networks_are_apart_from_the_ranges(spec: LabSpec) -> Findings:
    """Ours: a tunnel's inner network inside a range that is routed would take addresses away from it."""
    for routed, inner in overlaps([*_vpcs(spec), *_lans(spec)], _inners(spec)):
        what = f"{inner.network} overlaps {routed.network} of {dotted(routed.path)}"
        why = "both would be routed on the same gateway"
        yield Finding(inner.path, what, why, "use a /30 that is in no VPC and no LAN, for example of 169.254.0.0/20")


def public_addresses_are_apart_from_the_ranges(spec: LabSpec) -> Findings:
    """Ours: a gateway whose public address lies in a range behind the tunnel would route IKE into the tunnel.

    So would a device whose address behind NAT lies there.
    """
    publics = [Placed(IPv4Network(address), path) for path, address in (*_publics(spec), *device_addresses(spec))]
    for routed, public in overlaps([*_vpcs(spec), *_lans(spec), *_inners(spec)], publics):
        what = f"{public.network.network_address} is in {routed.network} of {dotted(routed.path)}"
        why = "what goes to a public address goes outside the tunnels"
        mend = "use an address outside, for example from 192.0.2.0/24, 198.51.100.0/24 or 203.0.113.0/24"
        yield Finding(public.path, what, why, mend)


def public_addresses_are_distinct(spec: LabSpec) -> Findings:
    """A public address belongs to one end of one gateway or connection."""
    why = "each public address has a path of its own through the internet"
    yield from distinct(_publics(spec), why)


def hosts_have_an_address_of_their_network(spec: LabSpec) -> Findings:
    """An instance or host has a host address of its network, of its own, and not the router's (the first)."""
    why_own = "each host of a network has an address of its own"
    for name, vpc in spec.cloud.vpcs.items():
        path: Path = ("cloud", "vpcs", name, "instances")
        addresses = []
        for vm, instance in vpc.instances.items():
            addresses.append(((*path, vm, "address"), instance.address))
            if instance.subnet in vpc.subnets:
                yield from is_host((*path, vm, "address"), instance.address, vpc.subnets[instance.subnet])
        yield from distinct(addresses, why_own)
    for name, device in spec.idc.devices.items():
        for lan_name, lan in device.lans.items():
            path = ("idc", "devices", name, "lans", lan_name, "hosts")
            for host, address in lan.hosts.items():
                yield from is_host((*path, host), address, lan.cidr)
            yield from distinct((((*path, host), address) for host, address in lan.hosts.items()), why_own)


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
    for path, connection in _connections(spec):
        border = spec.cloud.border_gateways.get(connection.border_gateway)
        customer = spec.cloud.customer_gateways.get(connection.customer_gateway)
        if not (connection.bgp and border and customer):
            continue
        if (connection.local_asn or border.asn) == customer.asn:
            step = "local_asn" if connection.local_asn else "customer_gateway"
            what = f"both ends have ASN {customer.asn}"
            why = "the cloud speaks eBGP only, and eBGP is between different ASNs"
            yield Finding((*path, step), what, why, "change one of the ASNs, or write bgp: false")


def tunnel_addresses_belong_to_their_ends(spec: LabSpec) -> Findings:
    """A tunnel goes from an address of its connection to one of the connection's customer gateway."""
    for path, connection, tunnel in _tunnels(spec):
        why = "a tunnel runs between a public address of the connection and one of its customer gateway"
        given = connection.public_addresses
        if given is None:
            what = f"{tunnel.cloud_address} cannot be known: the connection's addresses are left out"
            mend = f"write public_addresses in {dotted(path[:-2])}, or leave tunnels out"
            yield Finding((*path, "cloud_address"), what, why, mend)
        elif tunnel.cloud_address not in given:
            what = f"{tunnel.cloud_address} is no public address of the connection"
            yield Finding((*path, "cloud_address"), what, why, f"use one of {row(given)}")
        customer = spec.cloud.customer_gateways.get(connection.customer_gateway)
        if customer and tunnel.customer_address not in customer.public_addresses:
            what = f"{tunnel.customer_address} is no public address of customer gateway {connection.customer_gateway}"
            yield Finding((*path, "customer_address"), what, why, f"use one of {row(customer.public_addresses)}")


def one_tunnel_per_address_pair(spec: LabSpec) -> Findings:
    """At most one tunnel per pair of cloud address and customer address."""
    seen: dict[tuple[IPv4Address, IPv4Address], Path] = {}
    for path, _, tunnel in _tunnels(spec):
        first = seen.setdefault((tunnel.cloud_address, tunnel.customer_address), path)
        if first != path:
            what = f"{tunnel.cloud_address} - {tunnel.customer_address} is the address pair of {dotted(first)} too"
            why = "the cloud takes one tunnel per address pair"
            yield Finding(path, what, why, "change one of its addresses or remove it")


def inner_networks_are_unique(spec: LabSpec) -> Findings:
    """No two tunnels of one border gateway (the cloud's rule) or of one customer gateway (ours) share a /30."""
    seen: dict[tuple[str, str, IPv4Network], Path] = {}
    for path, connection, tunnel in _tunnels(spec):
        if tunnel.inner is None:
            continue
        for kind, gateway in (("border", connection.border_gateway), ("customer", connection.customer_gateway)):
            first = seen.setdefault((kind, gateway, tunnel.inner), path)
            if first != path:
                what = f"{tunnel.inner} is the inner network of {dotted(first)} too"
                why = f"the tunnels of {kind} gateway {gateway} are told apart by their inner networks"
                yield Finding((*path, "inner"), what, why, "use another /30, or leave inner out")
                break


def identity_pairs_tell_the_keys_apart(spec: LabSpec) -> Findings:
    """Ours: a gateway's IKE daemon finds the pre-shared key by the identities of the two ends alone."""
    seen: dict[tuple[str, str, str, str], tuple[Path, Tunnel]] = {}
    for path, connection, tunnel in _tunnels(spec):
        local_id = tunnel.local_id or str(tunnel.cloud_address)
        remote_id = tunnel.remote_id or str(tunnel.customer_address)
        for kind, gateway in (("border", connection.border_gateway), ("customer", connection.customer_gateway)):
            first, other = seen.setdefault((kind, gateway, local_id, remote_id), (path, tunnel))
            same_pair = (tunnel.cloud_address, tunnel.customer_address) == (other.cloud_address, other.customer_address)
            if not same_pair and not (tunnel.psk and tunnel.psk == other.psk):
                step = "local_id" if tunnel.local_id else "remote_id"
                what = f"the identities {shown(local_id)} and {shown(remote_id)} are those of {dotted(first)} too"
                why = f"{kind} gateway {gateway} tells the keys of its tunnels apart by the two identities"
                yield Finding((*path, step), what, why, "use other identities, or write the same psk for both")
                break


def cloud_inner_address_is_in_the_inner_network(spec: LabSpec) -> Findings:
    """The cloud's inner address is one of the two hosts of the inner network."""
    for path, _, tunnel in _tunnels(spec):
        address, inner = tunnel.cloud_inner_address, tunnel.inner
        if address is None:
            continue
        place = (*path, "cloud_inner_address")
        why = "the cloud's inner address is one of the two hosts of the tunnel's /30"
        if inner is None:
            yield Finding(place, f"{address} is given without an inner network", why, "write inner as well")
        elif address not in (inner[1], inner[2]):
            yield Finding(place, f"{address} is no host of {inner}", why, f"use {inner[1]} or {inner[2]}")


def quotas_are_kept(spec: LabSpec) -> Findings:
    """No holder has more of a resource than the cloud gives it; a lab is one region."""
    cloud = spec.cloud
    borders: list[Path] = [("cloud", "border_gateways", name) for name in cloud.border_gateways]
    yield from within(quotas.BORDER_GATEWAYS, borders)
    customers: list[Path] = [("cloud", "customer_gateways", name) for name in cloud.customer_gateways]
    yield from within(quotas.CUSTOMER_GATEWAYS, customers)
    attached: dict[str, list[Path]] = {}
    for index, attachment in enumerate(cloud.vpc_attachments):
        attached.setdefault(attachment.border_gateway, []).append(("cloud", "vpc_attachments", index))
    connected: dict[str, list[Path]] = {}
    for path, connection in _connections(spec):
        connected.setdefault(connection.border_gateway, []).append(path)
        customer = cloud.customer_gateways.get(connection.customer_gateway)
        if customer:
            tunnels = [(*path, "tunnels", index) for index in range(len(connection.tunnels or ()))]
            yield from within(quotas.tunnels_quota(len(customer.public_addresses)), tunnels)
    for name, border in cloud.border_gateways.items():
        routes: list[Path] = [
            ("cloud", "border_gateways", name, "static_routes", index) for index in range(len(border.static_routes))
        ]
        yield from within(quotas.STATIC_ROUTES, routes)
    for quota, held in ((quotas.VPC_ATTACHMENTS, attached), (quotas.VPN_CONNECTIONS, connected)):
        for paths in held.values():
            yield from within(quota, paths)


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


# What the rules walk over.


def _connections(spec: LabSpec) -> Iterator[tuple[Path, VpnConnection]]:
    for name, connection in spec.cloud.vpn_connections.items():
        yield ("cloud", "vpn_connections", name), connection


def _tunnels(spec: LabSpec) -> Iterator[tuple[Path, VpnConnection, Tunnel]]:
    for path, connection in _connections(spec):
        for index, tunnel in enumerate(connection.tunnels or ()):
            yield (*path, "tunnels", index), connection, tunnel


def _inners(spec: LabSpec) -> list[Placed]:
    return [Placed(tunnel.inner, (*path, "inner")) for path, _, tunnel in _tunnels(spec) if tunnel.inner]


def _vpcs(spec: LabSpec) -> list[Placed]:
    return [Placed(vpc.cidr, ("cloud", "vpcs", name, "cidr")) for name, vpc in spec.cloud.vpcs.items()]


def _lans(spec: LabSpec) -> list[Placed]:
    return [
        Placed(lan.cidr, ("idc", "devices", name, "lans", lan_name, "cidr"))
        for name, device in spec.idc.devices.items()
        for lan_name, lan in device.lans.items()
    ]


def _publics(spec: LabSpec) -> Iterator[tuple[Path, IPv4Address]]:
    for name, gateway in spec.cloud.customer_gateways.items():
        for index, address in enumerate(gateway.public_addresses):
            yield ("cloud", "customer_gateways", name, "public_addresses", index), address
    for path, connection in _connections(spec):
        for index, address in enumerate(connection.public_addresses or ()):
            yield (*path, "public_addresses", index), address


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

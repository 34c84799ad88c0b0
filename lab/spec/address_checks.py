"""What must hold of ranges and addresses: of VPCs, LANs, tunnels' inner networks, gateways and hosts."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from lab.spec.model import LabSpec
from lab.spec.nat_checks import device_addresses
from lab.spec.rule_parts import Findings, Placed, apart, distinct, is_host, overlaps
from lab.spec.walks import connections, tunnels
from lab.spec.wording import Finding, Path, dotted


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


def _inners(spec: LabSpec) -> list[Placed]:
    return [Placed(tunnel.inner, (*path, "inner")) for path, _, tunnel in tunnels(spec) if tunnel.inner]


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
    for path, connection in connections(spec):
        for index, address in enumerate(connection.public_addresses or ()):
            yield (*path, "public_addresses", index), address

"""What must hold of the NAT routers before customers' devices."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from lab.spec.model import LabSpec
from lab.spec.rule_parts import Findings, distinct, row
from lab.spec.wording import Finding, Path

PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
"""What stands behind NAT (RFC 1918; RFC 6598 for providers' own NAT)."""


def nat_routers_have_addresses_of_the_customer_gateway(spec: LabSpec) -> Findings:
    """Ours: a NAT router has one of the public addresses that the cloud knows the device by, each one of its own."""
    for name, device in spec.idc.devices.items():
        customer = spec.cloud.customer_gateways.get(device.customer_gateway)
        publics: list[tuple[Path, IPv4Address]] = [
            (("idc", "devices", name, "nat_routers", key, "public_address"), router.public_address)
            for key, router in device.nat_routers.items()
        ]
        yield from distinct(publics, "a public address has one router")
        for path, address in publics:
            if customer and address not in customer.public_addresses:
                what = f"{address} is no public address of customer gateway {device.customer_gateway}"
                why = "the cloud reaches the device at this address"
                yield Finding(path, what, why, f"use one of {row(customer.public_addresses)}")


def device_addresses_behind_nat_are_private(spec: LabSpec) -> Findings:
    """Ours: what a device has behind NAT is a private address, another one behind each router."""
    for path, address in device_addresses(spec):
        if not any(address in network for network in PRIVATE):
            why = "behind NAT a device has an address that the internet does not know"
            yield Finding(path, f"{address} is not a private address", why, "use one as 192.168.1.2")
    for name in spec.idc.devices:
        own = (found for found in device_addresses(spec) if found[0][2] == name)
        yield from distinct(own, "each port of a device has an address of its own")


def device_addresses(spec: LabSpec) -> Iterator[tuple[Path, IPv4Address]]:
    """The addresses that devices have behind NAT, and where the file says them."""
    for name, device in spec.idc.devices.items():
        for key, router in device.nat_routers.items():
            yield ("idc", "devices", name, "nat_routers", key, "device_address"), router.device_address

"""Plain interfaces of a node: names, addresses, MTU, state and the sysctls beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Interface
from pathlib import Path

from endpoint import links
from endpoint.errors import EndpointError
from endpoint.links import Link, Request
from endpoint.plan import InterfacePlan
from endpoint.report import InterfaceReport
from endpoint.rtnetlink import Netlink

_SYSCTLS = Path("/proc/sys")

# What is to be done, in words, and the request that does it.
Change = tuple[str, Request]


def apply_interfaces(plans: Iterable[InterfacePlan]) -> None:
    """Make the veth ends in this namespace what the plans say, by difference; bring `lo` up.

    Each is found by its MAC. Interfaces without a plan are left alone.
    Raises EndpointError for a MAC that is not here and for what the kernel refuses.
    """
    with Netlink() as kernel:
        present = links.links(kernel)
        by_mac = {link.mac: link for link in present if link.if_id is None}
        found: dict[InterfacePlan, Link] = {}
        for plan in plans:
            if plan.mac.lower() not in by_mac:
                raise EndpointError(
                    f"no interface with the MAC {plan.mac} for {plan.name} in this namespace",
                    mend="create the link first and move its end here",
                )
            found[plan] = by_mac[plan.mac.lower()]
        addresses = links.addresses(kernel)
        changes = list(_make_room(found, {link.name: link for link in present}))
        for plan, link in found.items():
            changes += set_link(link, plan.name, mtu=plan.mtu, up=plan.up)
            changes += set_addresses(link.index, plan.name, plan.addresses, addresses.get(link.index, frozenset()))
        for link in present:
            if link.name == "lo":
                changes += set_link(link, "lo", mtu=link.mtu, up=True)
        carry_out(kernel, changes)


def observe_interfaces() -> tuple[InterfaceReport, ...]:
    """All interfaces of this namespace but `lo`."""
    with Netlink() as kernel:
        addresses = links.addresses(kernel)
        present = links.links(kernel)
    return tuple(
        InterfaceReport(
            name=link.name,
            up=link.up,
            mtu=link.mtu,
            addresses=tuple(sorted(addresses.get(link.index, ()))),
            rx_packets=link.rx_packets,
            rx_bytes=link.rx_bytes,
            tx_packets=link.tx_packets,
            tx_bytes=link.tx_bytes,
        )
        for link in present
        if link.name != "lo"
    )


def set_sysctls(wanted: Mapping[str, str]) -> None:
    """Set kernel parameters of this namespace, by path: {"net/ipv4/ip_forward": "1"}.

    Raises EndpointError for one that does not exist or may not be written.
    """
    for name, value in wanted.items():
        path = _SYSCTLS / name
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except OSError as error:
            raise EndpointError(
                f"sysctl {name} = {value}: {error.strerror}",
                mend="run as root where /proc/sys is writable, or set it when the node is created",
            ) from error


def read_sysctl(name: str) -> str | None:
    """A kernel parameter of this namespace, by path; None where there is none of this name."""
    try:
        return (_SYSCTLS / name).read_text().strip()
    except FileNotFoundError:
        return None


def set_link(link: Link, name: str, *, mtu: int, up: bool) -> Iterator[Change]:
    """The change that gives a link name, MTU and state; none when all is so already."""
    for request in links.set_link(link, name, mtu=mtu, up=up):
        yield f"interface {name}: mtu {mtu}, {'up' if up else 'down'}", request


def set_addresses(
    index: int, name: str, wanted: Iterable[IPv4Interface], present: frozenset[IPv4Interface]
) -> Iterator[Change]:
    """The changes that remove the addresses that are not wanted and add those that are missing."""
    wanted = tuple(wanted)
    for address in present.difference(wanted):
        yield f"address {address} off {name}", links.delete_address(index, address)
    for address in wanted:
        if address not in present:
            yield f"address {address} on {name}", links.add_address(index, address)


def carry_out(kernel: Netlink, changes: Iterable[Change]) -> None:
    """Make the changes, in order and in one conversation. Raises EndpointError for the first that is refused."""
    changes = tuple(changes)
    answers = kernel.request([request for _, request in changes])
    for (what, _), error in zip(changes, answers, strict=True):
        if error:
            raise EndpointError(f"{what}: {os.strerror(error)}", mend="run as root in the node's own network namespace")


def _make_room(found: Mapping[InterfacePlan, Link], by_name: Mapping[str, Link]) -> Iterator[Change]:
    """Give other names to the interfaces whose names others are to have (two that swap, for example)."""
    for plan, link in found.items():
        holder = by_name.get(plan.name)
        if holder is not None and holder.index != link.index:
            for request in links.set_link(holder, f"was{holder.index}", mtu=holder.mtu, up=holder.up):
                yield f"interface {plan.name} out of the way", request

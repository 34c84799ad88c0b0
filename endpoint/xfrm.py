"""XFRM interfaces by difference, and the flushing of XFRM state."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterable

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from endpoint.errors import EndpointError
from endpoint.interfaces import Change, carry_out, set_addresses, set_link
from endpoint.links import addresses, links
from endpoint.plan import TunnelPlan
from endpoint.rtnetlink import Netlink

# linux/xfrm.h; a flush of states names a protocol in one byte, 0 for all.
_NETLINK_XFRM, _XFRM_MSG_FLUSHSA, _XFRM_MSG_FLUSHPOLICY = 6, 0x1C, 0x1D
_XFRM_MSG_GETSA, _XFRM_MSG_GETPOLICY = 0x12, 0x15
_SIOCGIFFLAGS, _IFF_UP = 0x8913, 0x1
_IFREQ = struct.Struct("16sH22x")


def apply_xfrm_interfaces(tunnels: Iterable[TunnelPlan]) -> None:
    """Make the XFRM interfaces of this namespace those of the tunnels.

    One that has the name and the if_id already is adopted, whoever made it; one with another if_id
    is made anew, for the kernel does not change it. Those of no tunnel are removed. An
    interface is up while its tunnel is administratively up. `if_id` 0 means none.
    Raises EndpointError when the kernel has no XFRM interfaces.
    """
    wanted = {tunnel.interface: tunnel for tunnel in tunnels if tunnel.if_id}
    with Netlink() as kernel:
        present = {link.name: link for link in links(kernel) if link.if_id is not None}
        fitting = {name for name, link in present.items() if name in wanted and link.if_id == wanted[name].if_id}
        if fitting != present.keys() | wanted.keys():
            with IPRoute() as ip:
                for name in present.keys() - fitting:
                    ip.link("del", index=present[name].index)
                for name, tunnel in wanted.items():
                    if name not in fitting:
                        _add(ip, tunnel)
        carried = addresses(kernel) if fitting else {}
        changes: list[Change] = []
        for name, tunnel in wanted.items():
            index = socket.if_nametoindex(name)
            if name in fitting:
                changes += set_link(present[name], name, mtu=tunnel.inner_mtu, up=tunnel.admin_up)
            changes += set_addresses(index, name, (tunnel.inner,), carried.get(index, frozenset()))
        carry_out(kernel, changes)


def flush_xfrm() -> None:
    """Remove all SAs and policies of this namespace. A kernel without XFRM has none."""
    try:
        netlink = Netlink(_NETLINK_XFRM)
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return
        raise
    with netlink:
        answers = netlink.request([(_XFRM_MSG_FLUSHSA, 0, b"\0"), (_XFRM_MSG_FLUSHPOLICY, 0, b"")])
    for error_number in answers:
        if error_number not in (0, errno.ESRCH):
            raise EndpointError(
                f"flushing XFRM state: {os.strerror(error_number)}",
                mend="run as root in the node's own network namespace",
            )


def observe_xfrm() -> tuple[str, ...]:
    """What this namespace has of IPsec, in words: "2 SAs", "interface ipsec0"; nothing where there is none.

    A kernel without XFRM has none.
    """
    with Netlink() as kernel:
        found = [f"interface {link.name}" for link in links(kernel) if link.if_id is not None]
    for kind, thing in ((_XFRM_MSG_GETSA, "SAs"), (_XFRM_MSG_GETPOLICY, "policies")):
        try:
            with Netlink(_NETLINK_XFRM) as xfrm:
                count = sum(1 for _ in xfrm.dump(kind, b""))
        except OSError as error:
            if error.errno != errno.EPROTONOSUPPORT:
                raise
            continue
        found += [f"{count} {thing}"] if count else []
    return tuple(found)


def is_up(interface: str) -> bool:
    """Whether an interface of this namespace exists and is up; costs some microseconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, _IFREQ.pack(interface.encode(), 0))
        except OSError:
            return False
    return bool(_IFREQ.unpack(answer)[1] & _IFF_UP)


def _add(ip: IPRoute, tunnel: TunnelPlan) -> None:
    try:
        ip.link(
            "add",
            ifname=tunnel.interface,
            kind="xfrm",
            xfrm_if_id=tunnel.if_id,
            mtu=tunnel.inner_mtu,
            gso_max_segs=1,  # what TCP hands over in one piece is counted as the packets that it becomes
            state="up" if tunnel.admin_up else "down",
        )
    except NetlinkError as error:
        raise EndpointError(
            f"tunnel {tunnel.name}: no XFRM interface {tunnel.interface} with if_id {tunnel.if_id}: {error.args[-1]}",
            mend="load the kernel module xfrm_interface, or run where the kernel has it",
        ) from error

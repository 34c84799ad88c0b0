"""The links of this namespace as the kernel lists them, and the requests that change one.

Asked often, and with pyroute2 a look takes 80 ms of an emulated processor; so over plain netlink.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from socket import AF_INET, AF_UNSPEC

from endpoint.rtnetlink import NLM_F_CREATE, Netlink, attribute, attributes

Request = tuple[int, int, bytes]

# linux/if_link.h, if_addr.h, rtnetlink.h
_IFF_UP = 0x1
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 16, 17, 18, 20, 21, 22
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_STATS64 = 1, 3, 4, 18, 23
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_XFRM_IF_ID = 1, 2, 2
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFINFOMSG = struct.Struct("=BxHiII")  # family, device type, index, flags, changed flags
_IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_STATS64 = struct.Struct("=4Q")  # its first fields: packets received and sent, bytes received and sent
_U32 = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Link:
    """A link. `mac` is in lower case, "" where it has none; `if_id` is that of an XFRM interface, None for others."""

    index: int
    name: str
    mac: str
    mtu: int
    up: bool
    if_id: int | None
    rx_packets: int
    tx_packets: int
    rx_bytes: int
    tx_bytes: int


def links(kernel: Netlink) -> tuple[Link, ...]:
    """All links of this namespace."""
    return tuple(_link(body) for body in kernel.dump(_RTM_GETLINK, _IFINFOMSG.pack(AF_UNSPEC, 0, 0, 0, 0)))


def set_link(link: Link, name: str, *, mtu: int, up: bool) -> Iterator[Request]:
    """Give a link name, MTU and state: one request, and none when all is so already."""
    changes = b""
    if link.name != name:
        changes += attribute(_IFLA_IFNAME, name.encode() + b"\0")
    if link.mtu != mtu:
        changes += attribute(_IFLA_MTU, _U32.pack(mtu))
    if changes or link.up != up:
        yield _RTM_NEWLINK, 0, _IFINFOMSG.pack(AF_UNSPEC, 0, link.index, _IFF_UP if up else 0, _IFF_UP) + changes


def add_ifb(name: str) -> Request:
    """Make an interface that gives back as received what is sent to it (ifb), and set it up."""
    return _add(name, "ifb", up=True)


def add_veth(name: str) -> Request:
    """Make a veth pair; the other end gets a name from the kernel. Both are down."""
    return _add(name, "veth", up=False)


def add_xfrm(name: str, if_id: int) -> Request:
    """Make an XFRM interface, which is down."""
    return _add(name, "xfrm", attribute(_IFLA_XFRM_IF_ID, _U32.pack(if_id)), up=False)


def delete_link(index: int) -> Request:
    """Remove the link of this index."""
    return _RTM_DELLINK, 0, _IFINFOMSG.pack(AF_UNSPEC, 0, index, 0, 0)


def addresses(kernel: Netlink) -> dict[int, frozenset[IPv4Interface]]:
    """The IPv4 addresses of all links of this namespace by the link's index."""
    found: dict[int, set[IPv4Interface]] = {}
    for body in kernel.dump(_RTM_GETADDR, _IFADDRMSG.pack(AF_INET, 0, 0, 0, 0)):
        _, prefix_length, _, _, index = _IFADDRMSG.unpack_from(body)
        fields = attributes(body[_IFADDRMSG.size :])
        address = fields.get(_IFA_LOCAL, fields[_IFA_ADDRESS])
        found.setdefault(index, set()).add(IPv4Interface((address, prefix_length)))
    return {index: frozenset(those) for index, those in found.items()}


def add_address(index: int, address: IPv4Interface) -> Request:
    """Give the link of this index an address."""
    return _RTM_NEWADDR, NLM_F_CREATE, _address(index, address)


def delete_address(index: int, address: IPv4Interface) -> Request:
    """Take an address from the link of this index."""
    return _RTM_DELADDR, 0, _address(index, address)


def _address(index: int, address: IPv4Interface) -> bytes:
    header = _IFADDRMSG.pack(AF_INET, address.network.prefixlen, 0, 0, index)
    return header + attribute(_IFA_LOCAL, address.packed) + attribute(_IFA_ADDRESS, address.packed)


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFOMSG.unpack_from(body)
    fields = attributes(body[_IFINFOMSG.size :])
    rx_packets, tx_packets, rx_bytes, tx_bytes = _STATS64.unpack_from(fields[_IFLA_STATS64])
    return Link(
        index=index,
        name=_text(fields[_IFLA_IFNAME]),
        mac=fields.get(_IFLA_ADDRESS, b"").hex(":"),
        mtu=_U32.unpack(fields[_IFLA_MTU])[0],
        up=bool(flags & _IFF_UP),
        if_id=_if_id(attributes(fields.get(_IFLA_LINKINFO, b""))),
        rx_packets=rx_packets,
        tx_packets=tx_packets,
        rx_bytes=rx_bytes,
        tx_bytes=tx_bytes,
    )


def _if_id(info: dict[int, bytes]) -> int | None:
    if _text(info.get(_IFLA_INFO_KIND, b"")) != "xfrm":
        return None
    value = attributes(info.get(_IFLA_INFO_DATA, b"")).get(_IFLA_XFRM_IF_ID)
    return int(_U32.unpack(value)[0]) if value else 0


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _add(name: str, kind: str, data: bytes = b"", *, up: bool) -> Request:
    info = attribute(_IFLA_INFO_KIND, kind.encode() + b"\0") + attribute(_IFLA_INFO_DATA, data)
    header = _IFINFOMSG.pack(AF_UNSPEC, 0, 0, _IFF_UP if up else 0, _IFF_UP)
    return (
        _RTM_NEWLINK, NLM_F_CREATE,
        header + attribute(_IFLA_IFNAME, name.encode() + b"\0") + attribute(_IFLA_LINKINFO, info),
    )  # fmt: skip

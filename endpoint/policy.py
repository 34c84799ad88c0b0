"""Policy routing as netlink messages: a rule that leads to a table of its own, and the default route in that table."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address

from endpoint.rtnetlink import NLM_F_CREATE, NLM_F_REPLACE, Netlink, attribute, attributes

Request = tuple[int, int, bytes]

# linux/rtnetlink.h, linux/fib_rules.h
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_NEWRULE, _RTM_DELRULE, _RTM_GETRULE = 24, 25, 32, 33, 34
_RTA_OIF, _RTA_PREFSRC, _RTA_TABLE = 4, 7, 15
_FRA_DST, _FRA_SRC, _FRA_PRIORITY, _FRA_TABLE, _FRA_IP_PROTO = 1, 2, 6, 15, 22
_TABLE_IN_ATTRIBUTE, _RTPROT_STATIC, _SCOPE_LINK, _TYPE_UNICAST, _FR_ACT_TO_TBL = 0, 4, 253, 1, 1
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_RULE = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, reserved, reserved, action, flags
_U32 = struct.Struct("=I")


def add_rule(
    priority: int,
    table: int,
    *,
    source: IPv4Address,
    destination: IPv4Address | None = None,
    ip_protocol: int | None = None,
) -> Request:
    """Packets from `source`, or only some of them, are routed by `table`. A second such rule is a second rule."""
    return _RTM_NEWRULE, NLM_F_CREATE, _rule(priority, table, source, destination, ip_protocol)


def delete_rule(priority: int, table: int, *, source: IPv4Address | None = None) -> Request:
    """Remove one rule of this priority that leads to `table`, of `source` or of any. ENOENT when there is none."""
    return _RTM_DELRULE, 0, _rule(priority, table, source, None, None)


def rules(kernel: Netlink, priority: int) -> set[tuple[IPv4Address, int]]:
    """The rules of this priority that ask for a source address: the address and the table."""
    found = set()
    for body in kernel.dump(_RTM_GETRULE, _RULE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)):
        fields = attributes(body[_RULE.size :])
        if fields.get(_FRA_PRIORITY) == _U32.pack(priority) and _FRA_SRC in fields:
            found.add((IPv4Address(fields[_FRA_SRC]), _U32.unpack(fields[_FRA_TABLE])[0]))
    return found


def replace_default_route(table: int, interface: int, source: IPv4Address | None = None) -> Request:
    """Everything that `table` decides leaves by the interface of this index, by itself with the address `source`."""
    way = attribute(_RTA_OIF, _U32.pack(interface))
    if source is not None:
        way += attribute(_RTA_PREFSRC, source.packed)
    return _RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, _default_route(table) + way


def delete_default_route(table: int) -> Request:
    """Remove the default route of `table`. ESRCH when there is none."""
    return _RTM_DELROUTE, 0, _default_route(table)


def _rule(
    priority: int, table: int, source: IPv4Address | None, destination: IPv4Address | None, ip_protocol: int | None
) -> bytes:
    lengths = (32 if destination else 0, 32 if source else 0)
    message = _RULE.pack(socket.AF_INET, *lengths, 0, _TABLE_IN_ATTRIBUTE, 0, 0, _FR_ACT_TO_TBL, 0)
    if destination is not None:
        message += attribute(_FRA_DST, destination.packed)
    if source is not None:
        message += attribute(_FRA_SRC, source.packed)
    if ip_protocol is not None:
        message += attribute(_FRA_IP_PROTO, bytes([ip_protocol]))
    return message + attribute(_FRA_PRIORITY, _U32.pack(priority)) + attribute(_FRA_TABLE, _U32.pack(table))


def _default_route(table: int) -> bytes:
    header = _RTMSG.pack(
        socket.AF_INET, 0, 0, 0, _TABLE_IN_ATTRIBUTE, _RTPROT_STATIC, _SCOPE_LINK, _TYPE_UNICAST, 0
    )  # fmt: skip
    return header + attribute(_RTA_TABLE, _U32.pack(table))

"""Netfilter's netlink family: what its subsystems' messages have in common."""

from __future__ import annotations

import struct

NETFILTER = 12  # NETLINK_NETFILTER in linux/netlink.h

_NFGENMSG = struct.Struct("!BBH")  # linux/netfilter/nfnetlink.h: family, version, resource
HEADER_SIZE = _NFGENMSG.size
"""Bytes before the attributes of a payload; the first is the family."""
ANY_FAMILY = _NFGENMSG.pack(0, 0, 0)
"""The payload of a request without attributes that means all families."""


def message_type(subsystem: int, message: int) -> int:
    """The type of a message, as netlink's header has it."""
    return subsystem << 8 | message

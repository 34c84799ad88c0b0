"""The nftables tables of this namespace that are ours: set by nft(8), read over netlink, which starts no program."""

from __future__ import annotations

import struct

from endpoint.filters import Filters, ruleset
from endpoint.metering import NAME, Count
from endpoint.nfnetlink import ANY_FAMILY, HEADER_SIZE, NETFILTER, message_type
from endpoint.nft import load_ruleset
from endpoint.rtnetlink import Netlink, attributes
from endpoint.tracking import forget_flows

OURS = "vpnlab_"
"""What the names of all tables that this project makes begin with."""

# linux/netfilter/nfnetlink.h, netfilter/nf_tables.h
_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_GETTABLE, _NFT_MSG_GETOBJ = 1, 19
_NFTA_TABLE_NAME = 1
_NFTA_OBJ_TABLE, _NFTA_OBJ_NAME, _NFTA_OBJ_TYPE, _NFTA_OBJ_DATA = 1, 2, 3, 4
_NFT_OBJECT_COUNTER, _NFTA_COUNTER_BYTES, _NFTA_COUNTER_PACKETS = 1, 1, 2
_FAMILIES = {1: "inet", 2: "ip"}
_U32, _U64 = struct.Struct("!I"), struct.Struct("!Q")


def apply_filters(wanted: Filters) -> None:
    """Make our tables in this namespace be so, whatever was there. Raises EndpointError, OSError."""
    if wanted != Filters() or present():
        load_ruleset(ruleset(wanted, counted=counters()))
    if wanted.nat:
        forget_flows()


def present() -> frozenset[str]:
    """Our tables in this namespace, by family and name: "ip vpnlab_mss". Raises OSError."""
    with Netlink(NETFILTER) as kernel:
        found = [
            (_FAMILIES.get(body[0], "?"), _text(attributes(body[HEADER_SIZE:])[_NFTA_TABLE_NAME]))
            for body in kernel.dump(message_type(_NFNL_SUBSYS_NFTABLES, _NFT_MSG_GETTABLE), ANY_FAMILY)
        ]
    return frozenset(f"{family} {name}" for family, name in found if name.startswith(OURS))


def counters() -> dict[str, Count]:
    """The counters of this namespace's tunnels by their names; none where nothing is metered. Raises OSError."""
    found = {}
    with Netlink(NETFILTER) as kernel:
        for body in kernel.dump(message_type(_NFNL_SUBSYS_NFTABLES, _NFT_MSG_GETOBJ), ANY_FAMILY):
            fields = attributes(body[HEADER_SIZE:])
            if _text(fields[_NFTA_OBJ_TABLE]) == NAME and fields[_NFTA_OBJ_TYPE] == _U32.pack(_NFT_OBJECT_COUNTER):
                count = attributes(fields[_NFTA_OBJ_DATA])
                found[_text(fields[_NFTA_OBJ_NAME])] = Count(
                    packets=_U64.unpack(count[_NFTA_COUNTER_PACKETS])[0],
                    bytes=_U64.unpack(count[_NFTA_COUNTER_BYTES])[0],
                )
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")

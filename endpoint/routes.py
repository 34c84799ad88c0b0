"""Kernel routes by difference: what is wanted goes in, what changed comes out."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from endpoint.plan import NextHop
from endpoint.rtnetlink import NLM_F_CREATE, NLM_F_REPLACE, Netlink, attribute, attributes

Routes = Mapping[IPv4Network, tuple[NextHop, ...]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose routes: a routing protocol number of linux/rtnetlink.h and the metric all of them have.

    The metric keeps routes of two origins to one prefix apart, and the lower one forwards.
    """

    protocol: int
    metric: int


# Above the kernel's own routes to connected networks (metric 0), below each other as on a router:
# a static route is better than a learned one.
STATIC = Origin(protocol=4, metric=10)  # RTPROT_STATIC
BGP = Origin(protocol=186, metric=20)  # RTPROT_BGP

# Chosen: networks that are remembered from dump to dump; making one takes longer than all else about a route.
REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class RouteChanges:
    """What `set_routes` did. `failed` holds the reason, in the kernel's words, by prefix.

    `present` are the routes of this origin that the kernel has now.
    """

    added: tuple[IPv4Network, ...]
    replaced: tuple[IPv4Network, ...]
    removed: tuple[IPv4Network, ...]
    failed: Mapping[IPv4Network, str]
    present: Routes


# linux/rtnetlink.h
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_MULTIPATH = 1, 4, 5, 6, 9
_TABLE_MAIN, _SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_ANY, _TYPE_UNICAST = 254, 0, 253, 255, 1
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_RTNEXTHOP = struct.Struct("=HBBi")  # length, flags, hops (weight - 1), ifindex
_U32 = struct.Struct("=I")


def set_routes(wanted: Routes, origin: Origin, known: Routes | None = None) -> RouteChanges:
    """Make the routes of this origin in the main table those that are wanted; others are not touched.

    A prefix that fails does not keep the others from being set. The second call changes nothing.
    `known` are the routes of this origin that the kernel has, where that is known; else it is asked.
    """
    with Netlink() as kernel:
        interfaces = {name: index for index, name in socket.if_nameindex()}
        impossible: dict[IPv4Network, str] = {}
        possible: dict[IPv4Network, tuple[NextHop, ...]] = {}
        for prefix, hops in wanted.items():
            missing = [hop.interface for hop in hops if hop.interface not in interfaces]
            if missing or not hops:
                impossible[prefix] = f"no interface {', '.join(missing)}" if missing else "no next hop"
            else:
                possible[prefix] = hops
        present = dict(known) if known is not None else _present(kernel, origin, interfaces)
        added, replaced, removed = difference(possible, present)
        messages = [_delete(prefix, origin) for prefix in removed]
        ways = {hops: _way(hops, interfaces) for hops in {possible[prefix] for prefix in (*added, *replaced)}}
        messages += [_replace(prefix, origin, *ways[possible[prefix]]) for prefix in (*added, *replaced)]
        answers = kernel.request(messages)
    asked = (*removed, *added, *replaced)
    refused = {prefix: os.strerror(error) for prefix, error in zip(asked, answers, strict=True) if error}
    added, replaced, removed = (_without(prefixes, refused) for prefixes in (added, replaced, removed))
    for prefix in removed:
        del present[prefix]
    present.update((prefix, possible[prefix]) for prefix in (*added, *replaced))
    return RouteChanges(added, replaced, removed, impossible | refused, present)


def routes(origin: Origin) -> dict[IPv4Network, tuple[NextHop, ...]]:
    """The routes of this origin that the kernel has in its main table."""
    with Netlink() as kernel:
        return _present(kernel, origin, {name: index for index, name in socket.if_nameindex()})


def difference(
    wanted: Routes, present: Routes
) -> tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...], tuple[IPv4Network, ...]]:
    """Prefixes to add, to replace and to remove. The order of next hops does not matter."""
    added = tuple(prefix for prefix in wanted if prefix not in present)
    replaced = tuple(
        prefix
        for prefix, hops in wanted.items()
        if (now := present.get(prefix)) is not None and now != hops and set(now) != set(hops)
    )
    removed = tuple(prefix for prefix in present if prefix not in wanted)
    return added, replaced, removed


def _without(prefixes: Iterable[IPv4Network], failed: Mapping[IPv4Network, str]) -> tuple[IPv4Network, ...]:
    return tuple(prefix for prefix in prefixes if prefix not in failed)


def _present(kernel: Netlink, origin: Origin, interfaces: Mapping[str, int]) -> dict[IPv4Network, tuple[NextHop, ...]]:
    """The routes of an origin. Thousands of them have few next hops between them, so each of these is read once."""
    names = {index: name for name, index in interfaces.items()}
    read: dict[tuple[bytes | None, ...], tuple[NextHop, ...]] = {}
    asked = _RTMSG.pack(socket.AF_INET, 0, 0, 0, _TABLE_MAIN, origin.protocol, 0, 0, 0)
    found = {}
    for body in _dumped(kernel, asked):
        _, length, _, _, table, protocol, _, _, _ = _RTMSG.unpack_from(body)
        fields = attributes(body[_RTMSG.size :])
        if (table, protocol, _u32(fields.get(_RTA_PRIORITY))) == (_TABLE_MAIN, origin.protocol, origin.metric):
            way = tuple(map(fields.get, (_RTA_MULTIPATH, _RTA_OIF, _RTA_GATEWAY)))
            if way not in read:
                read[way] = tuple(_hops(fields, names))
            found[_network(fields.get(_RTA_DST, bytes(4)), length)] = read[way]
    return found


@lru_cache(maxsize=REMEMBERED)
def _network(destination: bytes, length: int) -> IPv4Network:
    return IPv4Network((destination, length))


def _dumped(kernel: Netlink, asked: bytes) -> Iterator[bytes]:
    try:
        yield from kernel.dump(_RTM_GETROUTE, asked)
    except FileNotFoundError:  # no interface of this namespace was ever up: it has no table yet
        return


def _hops(fields: Mapping[int, bytes], names: Mapping[int, str]) -> Iterable[NextHop]:
    if _RTA_MULTIPATH not in fields:
        yield _hop(_u32(fields.get(_RTA_OIF)), fields, names)
        return
    data = fields[_RTA_MULTIPATH]
    offset = 0
    while offset + _RTNEXTHOP.size <= len(data):
        length, _, _, index = _RTNEXTHOP.unpack_from(data, offset)
        yield _hop(index, attributes(data[offset + _RTNEXTHOP.size : offset + length]), names)
        offset += (max(length, _RTNEXTHOP.size) + 3) & ~3


def _hop(index: int, fields: Mapping[int, bytes], names: Mapping[int, str]) -> NextHop:
    gateway = fields.get(_RTA_GATEWAY)
    return NextHop(names.get(index, f"#{index}"), IPv4Address(gateway) if gateway else None)


def _way(hops: tuple[NextHop, ...], interfaces: Mapping[str, int]) -> tuple[int, bytes]:
    """The scope and the attributes of a route over these next hops."""
    # The kernel wants a gateway's route in the universe and a direct one on the link.
    scope = _SCOPE_UNIVERSE if any(hop.via for hop in hops) else _SCOPE_LINK
    if len(hops) == 1:
        return scope, attribute(_RTA_OIF, _U32.pack(interfaces[hops[0].interface])) + _gateway(hops[0])
    return scope, attribute(_RTA_MULTIPATH, b"".join(_nexthop(hop, interfaces) for hop in hops))


def _replace(prefix: IPv4Network, origin: Origin, scope: int, way: bytes) -> tuple[int, int, bytes]:
    return _RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, _route(prefix, origin, scope) + way


def _delete(prefix: IPv4Network, origin: Origin) -> tuple[int, int, bytes]:
    return _RTM_DELROUTE, 0, _route(prefix, origin, _SCOPE_ANY)


def _route(prefix: IPv4Network, origin: Origin, scope: int) -> bytes:
    header = _RTMSG.pack(socket.AF_INET, prefix.prefixlen, 0, 0, _TABLE_MAIN, origin.protocol, scope, _TYPE_UNICAST, 0)
    return (
        header + attribute(_RTA_DST, prefix.network_address.packed) + attribute(_RTA_PRIORITY, _U32.pack(origin.metric))
    )


def _nexthop(hop: NextHop, interfaces: Mapping[str, int]) -> bytes:
    gateway = _gateway(hop)
    return _RTNEXTHOP.pack(_RTNEXTHOP.size + len(gateway), 0, 0, interfaces[hop.interface]) + gateway


def _gateway(hop: NextHop) -> bytes:
    return attribute(_RTA_GATEWAY, hop.via.packed) if hop.via else b""


def _u32(value: bytes | None) -> int:
    return int(_U32.unpack(value)[0]) if value else 0

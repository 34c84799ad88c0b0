"""What several rules between the values of a LabSpec ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lab.cloud import quotas
from lab.spec.wording import Finding, Path, dotted, listed, nearest, shown

Findings = Iterator[Finding]


@dataclass(frozen=True, slots=True)
class Placed:
    """A range of addresses and where the file says it."""

    network: IPv4Network
    path: Path


def within(quota: quotas.Quota, paths: list[Path]) -> Findings:
    """What is too much is named at the first one too many: there may be thousands."""
    beyond = quota.beyond(paths)
    if beyond:
        what = f"{len(paths)} {quota.things} are given; {quota.limit} is the quota"
        yield Finding(beyond[0], what, f"the cloud gives {quota}", f"remove {len(beyond)} of them")


def refers(path: Path, name: str, kind: str, known: Mapping[str, object]) -> Findings:
    """A name that refers to something known; else what it was meant to be, maybe."""
    if name not in known:
        close = nearest(name, known)
        mend = f"did you mean {close}?" if close else f"there are: {listed(known) or 'none yet; add it'}"
        yield Finding(path, f"there is no {kind} {shown(name)}", "it is referred to, so it must exist", mend)


def distinct(addresses: Iterable[tuple[Path, IPv4Address]], why: str) -> Findings:
    """Each address is given once."""
    seen: dict[IPv4Address, Path] = {}
    for path, address in addresses:
        first = seen.setdefault(address, path)
        if first != path:
            yield Finding(path, f"{address} is that of {dotted(first)} too", why, "use another address")


def set_once(routes: Iterable[tuple[Path, object]]) -> Findings:
    """Each route of one table is given once."""
    seen: dict[object, Path] = {}
    for path, route in routes:
        first = seen.setdefault(route, path)
        if first != path:
            why = "a table holds each route once"
            yield Finding(path, f"it is the route of {dotted(first)} too", why, "remove one of them")


def is_host(path: Path, address: IPv4Address, network: IPv4Network) -> Findings:
    """The address is one that a host of the network can have."""
    router, last = network[1], network[-2]
    mend = f"use an address from {network[2]} to {last}" if network[2] < last else f"use {last}"
    if address not in network:
        yield Finding(path, f"{address} is not in {network}", "a host has an address of its network", mend)
    elif address in (network[0], network[-1]):
        word = "network" if address == network[0] else "broadcast"
        yield Finding(path, f"{address} is the {word} address of {network}", "no host can have it", mend)
    elif address == router:
        yield Finding(path, f"{address} is the router's address in {network}", "the first host address is taken", mend)


def apart(ranges: Iterable[Placed]) -> Findings:
    """No two of the ranges overlap."""
    widest: Placed | None = None
    for item in _in_order(ranges):
        if widest and item.network.overlaps(widest.network):
            what = f"{item.network} overlaps {widest.network} of {dotted(widest.path)}"
            yield Finding(item.path, what, "their router could not tell them apart", "choose ranges that are apart")
        else:
            widest = item


def overlaps(left: Collection[Placed], right: Collection[Placed]) -> Iterator[tuple[Placed, Placed]]:
    """Pairs that overlap, at least one for each item that overlaps an earlier one of the other side.

    Two prefixes overlap only where one holds the other, so walking them in order with the prefixes still open
    on each side takes n log n steps; files may hold thousands of ranges.
    """
    lefts = set(map(id, left))
    opened: tuple[list[Placed], list[Placed]] = ([], [])
    for item in _in_order([*left, *right]):
        for stack in opened:
            while stack and stack[-1].network.broadcast_address < item.network.network_address:
                stack.pop()
        side = 0 if id(item) in lefts else 1
        if opened[1 - side]:
            other = opened[1 - side][-1]
            yield (item, other) if side == 0 else (other, item)
        opened[side].append(item)


def _in_order(ranges: Iterable[Placed]) -> list[Placed]:
    """By first address, the larger range first: what holds another comes before it."""
    return sorted(ranges, key=lambda item: (item.network.network_address, item.network.prefixlen))


def row(addresses: Iterable[IPv4Address]) -> str:
    """The addresses in a row, for a message."""
    return " ".join(str(address) for address in addresses)

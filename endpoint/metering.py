"""What passes outside a gateway's tunnels, counted by nftables: a pair of named counters for each tunnel. Pure.

An SA counts what is inside its packets and begins anew with each rekeying; these count the ESP packets themselves, with
their outer IP headers, for as long as the tunnel is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from endpoint.nat import NAT_TRAVERSAL

NAME = "vpnlab_meter"
TABLE = f"ip {NAME}"


@dataclass(frozen=True, slots=True)
class Pair:
    """The outer addresses of a tunnel as this end sees them."""

    local: IPv4Address
    remote: IPv4Address


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter has counted: IP packets, and bytes with their IP headers."""

    packets: int
    bytes: int


def counter_in(tunnel: str) -> str:
    """The name of the counter of what comes."""
    return f"{tunnel}/in"


def counter_out(tunnel: str) -> str:
    """The name of the counter of what is sent."""
    return f"{tunnel}/out"


def ruleset(tunnels: Mapping[str, Pair], counted: Iterable[str] = ()) -> str:
    """Count each tunnel's ESP packets, bare or in UDP. In nft's language.

    `counted` names the counters that are there: those of tunnels that stay go on counting.
    """
    if not tunnels:
        return f"table {TABLE}\ndelete table {TABLE}\n"
    wanted = [counter(name) for name in tunnels for counter in (counter_in, counter_out)]
    stale = [f"delete counter {TABLE} {name}\n" for name in counted if name not in wanted]
    body = "".join(f"  {line}\n" for line in _lines(tunnels, wanted))
    return f"table {TABLE}\nflush table {TABLE}\n{''.join(stale)}table {TABLE} {{\n{body}}}\n"


def _lines(tunnels: Mapping[str, Pair], counters: Collection[str]) -> Iterator[str]:
    for name in counters:
        yield f"counter {name} {{ }}"
    come = ", ".join(f'{pair.remote} . {pair.local} : "{counter_in(name)}"' for name, pair in tunnels.items())
    sent = ", ".join(f'{pair.local} . {pair.remote} : "{counter_out(name)}"' for name, pair in tunnels.items())
    # In UDP, four zero bytes begin an IKE message (RFC 3948 section 2.2); what keeps the NAT's entry alive is shorter.
    for chain, port, ends in (("prerouting", "dport", come), ("output", "sport", sent)):
        yield f"chain {chain} {{"
        yield f"  type filter hook {chain} priority raw; policy accept;"
        yield f"  meta l4proto esp counter name ip saddr . ip daddr map {{ {ends} }}"
        yield f"  udp {port} {NAT_TRAVERSAL} @th,64,32 != 0 counter name ip saddr . ip daddr map {{ {ends} }}"
        yield "}"

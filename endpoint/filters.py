"""What the nftables of a node are to do, as one value, and how nft(8) is told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from endpoint import metering, mss, nat, transit
from endpoint.metering import Pair
from endpoint.plan import NatPlan


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a node.

    Nothing is forwarded between the `isolated` interfaces; `clamps_mss` of the TCP connections that are forwarded;
    `nat` translates addresses;
    `metered` counts the ESP packets of tunnels, by their names.
    """

    isolated: frozenset[str] = frozenset()
    clamps_mss: bool = False
    nat: tuple[NatPlan, ...] = ()
    metered: Mapping[str, Pair] = field(default_factory=dict)


def ruleset(wanted: Filters, counted: Iterable[str] = ()) -> str:
    """All tables in nft's language: each is replaced as a whole, or removed, in one transaction.

    The counters of tunnels are named in `counted` where they are there already; these go on.
    """
    return "".join(
        (
            transit.ruleset(wanted.isolated),
            mss.ruleset(clamps=wanted.clamps_mss),
            nat.ruleset(wanted.nat),
            metering.ruleset(wanted.metered, counted),
        )
    )

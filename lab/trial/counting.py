"""Which tunnels carry the traffic: from the counters of the child SAs in two reports. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lab.plan.model import LabPlan
from lab.plan.report import LabReport
from lab.trial.edits import gateway_of
from lab.trial.model import SIDES, Carried, Side

MOST_OF_EMPTY = 0.02
"""A tunnel with no more than this share of a side's packets carries none of the traffic (chosen: BGP's own packets are
a few a second, less than one flow of sixteen is six times as much)."""
LEAST_PACKETS = 200
"""Packets of a side between two reports from which shares are told (chosen: a fifth of a second of the probes)."""


def carried(before: LabReport, after: LabReport, plan: LabPlan) -> tuple[Carried, ...]:
    """What each side sent into each tunnel between two reports. A child SA that is new has counted from zero."""
    found = []
    for pair in plan.tunnels:
        for side in SIDES:
            node = gateway_of(pair, side)
            old_spi, old = _sent(before, node, pair.name)
            new_spi, new = _sent(after, node, pair.name)
            found.append(Carried(side, pair.name, new - old if new_spi == old_spi else new))
    return tuple(found)


def total(counted: Iterable[Carried], side: Side) -> int:
    """All that a side sent."""
    return sum(one.packets for one in counted if one.sender == side)


def share(counted: Iterable[Carried], side: Side, tunnel: str) -> float:
    """The share of one tunnel in what a side sent; 0 when it sent nothing."""
    known = tuple(counted)
    sent = total(known, side)
    return sum(one.packets for one in known if (one.sender, one.tunnel) == (side, tunnel)) / sent if sent else 0.0


def is_telling(counted: Iterable[Carried]) -> bool:
    """Whether both sides sent enough for their shares to mean something."""
    known = tuple(counted)
    return all(total(known, side) >= LEAST_PACKETS for side in SIDES)


def in_words(counted: Iterable[Carried]) -> str:
    """ "the cloud sends 53 % into hq-1 and 47 % into hq-2, the IDC ..."."""
    known = tuple(counted)
    words = []
    for side, name in (("cloud", "the cloud"), ("idc", "the IDC")):
        own = [one for one in known if one.sender == side]
        sent = sum(one.packets for one in own)
        shares = (
            " and ".join(f"{one.packets / sent:.0%} into {one.tunnel}" for one in own if one.packets) if sent else ""
        )
        words.append(f"{name} sends {shares or 'nothing into any tunnel'}")
    return ", ".join(words)


def _sent(report: LabReport, node: str, tunnel: str) -> tuple[str | None, int]:
    """The outbound SPI of a tunnel's child SA at one end, and the packets that it has counted."""
    seen = next((status.report for status in report.nodes if status.name == node), None)
    for end in seen.endpoint.tunnels if seen and seen.endpoint else ():
        if end.name == tunnel and end.child is not None:
            return end.child.spi_out, end.child.packets_out
    return None, 0

"""The phases of a trial, put together from what was noted while it was played. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lab.plan.model import LabPlan, TunnelPair
from lab.plan.report import LabEvent, LabReport
from lab.trial.counting import carried
from lab.trial.detection import moments
from lab.trial.model import DirectionResult, Moment, Phase, PhaseName, Side, TcpResult
from lab.trial.route_changes import RouteChange
from lab.trial.speed import timed
from lab.trial.verdicts import NAMES


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which a phase begins, or the last one ends: its time on the lab's clock, the lab's report, by sender
    the tunnel of each flow, and that of the TCP flow.
    """

    begins: PhaseName | Literal["end"]
    at: float
    report: LabReport
    tunnels: Mapping[Side, tuple[str | None, ...]]
    tcp_tunnel: str | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """What was seen in a whole trial. `flowing_since` holds by phase and sender from when on nothing was lost."""

    summary: str
    events: tuple[LabEvent, ...]
    changes: tuple[RouteChange, ...]
    flowing_since: Mapping[str, Mapping[Side, float]]
    ready_at: float | None


def phase(
    plan: LabPlan, pair: TunnelPair, begin: Mark, end: Mark, noted: Noted,
    directions: Iterable[DirectionResult], tcp: TcpResult | None,
) -> Phase:  # fmt: skip
    """The phase between two marks. Events and routes count for it by their own times."""
    assert begin.begins != "end"  # noqa: S101 - the last mark begins nothing
    name: PhaseName = begin.begins
    measured = tuple(directions)
    found: tuple[Moment, ...] = ()
    if name != "baseline":
        within = (begin.at, end.at)
        events = [event for event in noted.events if _is_within(event.at, within)]
        changes = [change for change in noted.changes if _is_within(change.at, within)]
        found = moments(plan, pair, events, changes)
        if name == "restore":  # what comes up again may do so in several steps; who noticed what is the fault's matter
            found = tuple(moment for moment in found if moment.kind != "detected")
        found = tuple(sorted((*_own_moments(name, begin, noted, measured), *found), key=lambda moment: moment.at))
        measured = tuple(timed(direction, found) for direction in measured)
    return Phase(name, begin.at, end.at, found, measured, carried(begin.report, end.report, plan), tcp)


def _own_moments(name: PhaseName, begin: Mark, noted: Noted, directions: Iterable[DirectionResult]) -> Iterator[Moment]:
    if name == "fault":
        yield Moment(begin.at, "applied", noted.summary)
    else:
        yield Moment(begin.at, "undone", "the lab is given its own plan again")
        if noted.ready_at is not None:
            yield Moment(noted.ready_at, "ready", "tunnels, sessions and routes are as planned")
    last = 0.0
    for direction in directions:
        if direction.last_lost_at is not None:
            last = max(last, direction.last_lost_at)
            text = f"the last packet that is lost from {NAMES[direction.sender]}"
            yield Moment(direction.last_lost_at, "last-lost", text, direction.sender)
    flowing = noted.flowing_since.get(name)
    if last and flowing:
        yield Moment(max(*flowing.values(), last), "moved", "nothing is lost any more, either way")


def _is_within(at: float, period: tuple[float, float]) -> bool:
    return period[0] <= at < period[1]

"""A trial drawn: every flow is a line along time in the colour of its tunnel, and what was lost of it is red. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from lab.trial import figures
from lab.trial.markup import element
from lab.trial.model import SIDES, FlowResult, LossRun, Moment, Phase, Side, Trial
from lab.trial.scale import Scale, marks

# Chosen; lengths in units of the drawing, which is as wide as the page.
WIDTH = 960.0
LEFT, RIGHT = 112.0, 896.0
LANE = 7.0
GAP = 16.0
HEAD = 26.0
FLAG = 18.0
AXIS = 26.0
LEAST_WIDTH = 1.5
"""Of something that happened, however short it was."""
LONGEST_FLAGS = 4
"""Rows for the numbers of moments that lie close together."""
LEAST_CLOSE_UP_S = 0.04
MARGIN = 0.18
"""Of a close-up, on either side of what it is about."""
SHOWN_STALL_S = 0.1
PHASES = {"baseline": "before", "fault": "fault", "restore": "restored"}


@dataclass(frozen=True, slots=True)
class Numbered:
    """A moment with its number in the list beside the drawing."""

    number: int
    moment: Moment


def numbered(trial: Trial) -> tuple[Numbered, ...]:
    """All moments of a trial in order of time, counted from 1."""
    moments = sorted((moment for phase in trial.phases for moment in phase.moments), key=lambda moment: moment.at)
    return tuple(Numbered(number, moment) for number, moment in enumerate(moments, 1))


def whole_trial(trial: Trial, tunnels: Sequence[str]) -> ET.Element:
    """The trial from its first packet to its last, phase by phase."""
    scale = Scale(trial.phases[0].began_at, trial.phases[-1].ended_at, LEFT, RIGHT)
    return _drawing(trial, tunnels, scale, f"{trial.fault} on {trial.tunnel}: the whole trial", flags=False)


def close_up(trial: Trial, tunnels: Sequence[str]) -> ET.Element | None:
    """From the fault to the last that it caused; None where no fault was applied, or where that is the whole trial."""
    fault = next((phase for phase in trial.phases if phase.name == "fault"), None)
    if fault is None or not fault.moments:
        return None
    begin = min(moment.at for moment in fault.moments)
    last_lost = [direction.last_lost_at for direction in fault.directions if direction.last_lost_at is not None]
    end = min(fault.ended_at, max([moment.at for moment in fault.moments] + last_lost))
    room = MARGIN * max(end - begin, LEAST_CLOSE_UP_S)
    scale = Scale(begin - room, max(end, begin + LEAST_CLOSE_UP_S) + room, LEFT, RIGHT)
    return _drawing(trial, tunnels, scale, f"{trial.fault} on {trial.tunnel}: from the fault on", flags=True)


def _drawing(trial: Trial, tunnels: Sequence[str], scale: Scale, title: str, *, flags: bool) -> ET.Element:
    shown = [one for one in numbered(trial) if flags and scale.begin <= one.moment.at <= scale.end]
    rows = _rows(shown, scale)
    top = HEAD if not flags else FLAG * (max(rows, default=0) + 1) + 8
    parts: list[ET.Element] = []
    bottom = top
    for side in SIDES:
        lanes = list(_direction(trial, side, tunnels, scale, bottom))
        if lanes:
            parts += lanes
            bottom += LANE * _flow_count(trial, side) + GAP
    if not flags and any(phase.tcp for phase in trial.phases):
        parts += _tcp(trial, scale, bottom)
        bottom += LANE + GAP
    bottom -= GAP / 2
    behind = [
        *_phases(trial, scale, top - 6, bottom, named=not flags),
        *_axis(scale, figures.applied_at(trial), bottom),
    ]
    poles = [part for one, row in zip(shown, rows, strict=True) for part in _flag(one, row, scale, bottom)]
    return element(
        "svg", element("title", title), *behind, *parts, *poles,
        viewBox=f"0 0 {WIDTH:.0f} {bottom + AXIS:.0f}", role="img", class_="drawing",
    )  # fmt: skip


def _phases(trial: Trial, scale: Scale, top: float, bottom: float, *, named: bool) -> Iterator[ET.Element]:
    for phase in trial.phases:
        if scale.covers(phase.began_at, phase.ended_at):
            x, end = scale.x(phase.began_at), scale.x(phase.ended_at)
            yield element("rect", x=x, y=top, width=end - x, height=bottom - top, class_=f"phase {phase.name}")
            if named:
                yield element("text", PHASES[phase.name], x=(x + end) / 2, y=top - 7, class_="phase-name")


def _axis(scale: Scale, zero: float, bottom: float) -> Iterator[ET.Element]:
    yield element("line", x1=scale.left, x2=scale.right, y1=bottom, y2=bottom, class_="axis")
    for at, text in marks(scale, zero):
        x = scale.x(at)
        yield element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis")
        yield element("text", text, x=x, y=bottom + 16, class_="mark")


def _direction(trial: Trial, side: Side, tunnels: Sequence[str], scale: Scale, top: float) -> Iterator[ET.Element]:
    """One direction's lanes, with the name of the way before them and what each flow lost behind."""
    height = LANE * _flow_count(trial, side)
    yield element("text", figures.WAYS[side], x=LEFT - 12, y=top + height / 2, class_="way")
    lost: dict[int, int] = {}
    for phase in trial.phases:
        for direction in phase.directions:
            if direction.sender == side and scale.covers(phase.began_at, phase.ended_at):
                for flow in direction.flows:
                    yield from _lane(phase, flow, side, tunnels, scale, top + LANE * (flow.flow + 0.5))
                    lost[flow.flow] = lost.get(flow.flow, 0) + flow.lost
    for number, packets in lost.items():
        if packets:
            text = figures.count(packets)
            yield element("text", text, x=RIGHT + 8, y=top + LANE * (number + 0.5), class_="lost-count")


def _lane(
    phase: Phase, flow: FlowResult, side: Side, tunnels: Sequence[str], scale: Scale, y: float
) -> Iterator[ET.Element]:
    moved = next((m.at for m in phase.moments if m.kind == "routes-changed" and m.side == side), phase.ended_at)
    if flow.tunnel_before == flow.tunnel_after:
        moved = phase.ended_at
    for begin, end, tunnel in ((phase.began_at, moved, flow.tunnel_before), (moved, phase.ended_at, flow.tunnel_after)):
        if scale.covers(begin, end) and end > begin:
            yield element(
                "line", x1=scale.x(begin), x2=scale.x(end), y1=y, y2=y, class_=f"flow {colour(tunnels, tunnel)}"
            )
    for run in _apart([run for run in flow.losses if scale.covers(run.first_at, run.last_at + 1e-3)], scale):
        yield _loss(run, flow, scale, y)


def _apart(runs: Sequence[LossRun], scale: Scale) -> list[LossRun]:
    """The runs with those that lie too close together to be told apart joined: a drawing has so many and no more."""
    joined: list[LossRun] = []
    for run in runs:
        if joined and scale.x(run.first_at) - scale.x(joined[-1].last_at) < LEAST_WIDTH:
            run = LossRun(joined[-1].first_at, run.last_at, joined.pop().packets + run.packets)  # noqa: PLW2901
        joined.append(run)
    return joined


def _loss(run: LossRun, flow: FlowResult, scale: Scale, y: float) -> ET.Element:
    x = scale.x(run.first_at)
    width = max(LEAST_WIDTH, scale.x(run.last_at) - x)
    text = f"flow {flow.flow}: {figures.count(run.packets)} lost in {figures.seconds(run.last_at - run.first_at)}"
    return element("rect", element("title", text), x=x, y=y - LANE / 2, width=width, height=LANE, class_="loss")


def _tcp(trial: Trial, scale: Scale, top: float) -> Iterator[ET.Element]:
    y = top + LANE / 2
    yield element("text", "TCP", x=LEFT - 12, y=y, class_="way")
    for phase in trial.phases:
        found = phase.tcp
        if found is None:
            continue
        yield element("line", x1=scale.x(phase.began_at), x2=scale.x(phase.ended_at), y1=y, y2=y, class_="flow tcp")
        if found.stalled_at is not None and found.longest_stall_s >= SHOWN_STALL_S:
            x = scale.x(found.stalled_at)
            width = max(LEAST_WIDTH, scale.x(found.stalled_at + found.longest_stall_s) - x)
            text = f"nothing came for {figures.seconds(found.longest_stall_s)}"
            yield element("rect", element("title", text), x=x, y=y - LANE / 2, width=width, height=LANE, class_="stall")


def _rows(shown: Sequence[Numbered], scale: Scale) -> list[int]:
    """A row for each flag, so that those close together do not cover each other."""
    ends = [0.0] * LONGEST_FLAGS
    rows = []
    for one in shown:
        x = scale.x(one.moment.at)
        row = next((number for number, end in enumerate(ends) if x >= end), LONGEST_FLAGS - 1)
        ends[row] = x + FLAG + 2
        rows.append(row)
    return rows


def _flag(one: Numbered, row: int, scale: Scale, bottom: float) -> Iterator[ET.Element]:
    x, y = scale.x(one.moment.at), FLAG * (row + 0.5)
    kind = one.moment.kind
    yield element("line", x1=x, x2=x, y1=y, y2=bottom, class_=f"pole {kind}")
    yield element("circle", element("title", one.moment.text), cx=x, cy=y, r=FLAG / 2 - 1, class_=f"flag {kind}")
    yield element("text", str(one.number), x=x, y=y, class_=f"flag-number {kind}")


def _flow_count(trial: Trial, side: Side) -> int:
    return max((len(d.flows) for phase in trial.phases for d in phase.directions if d.sender == side), default=0)


def colour(tunnels: Sequence[str], tunnel: str | None) -> str:
    """The class that stands for a tunnel's colour; there are four."""
    return f"tunnel-{tunnels.index(tunnel) % 4}" if tunnel in tunnels else "no-tunnel"

"""The report as one HTML file that needs nothing else: no network, no script. Pure but for reading its style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from xml.etree import ElementTree as ET

from lab.trial import figures
from lab.trial.drawing import Numbered, close_up, colour, numbered, whole_trial
from lab.trial.markup import element, written
from lab.trial.model import SIDES, DirectionResult, FailoverReport, Phase, Side, Trial, Verdict

SIGNS = {"passed": "✓", "failed": "✗", "unmeasured": "?"}
WORDS = {"passed": "passed", "failed": "failed", "unmeasured": figures.UNMEASURED}
PHASES = {"baseline": "Before", "fault": "Fault", "restore": "Restored"}
NOTES = (
    "Detection is the time from the fault until the side that sends knew of it, convergence the time from there to the "
    "last packet lost. An outage lasts from the first packet lost of a direction to the last one. All times are of the "
    "one clock that all nodes share."
)
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html_report(report: FailoverReport) -> str:
    """The whole report for people, as text of an HTML file."""
    tunnels = _tunnels(report)
    title = f"Failover of lab {report.lab}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=CONTENT_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", (files("lab.trial") / "report.css").read_text()),
    )
    main = element(
        "main",
        element("h1", title),
        element("p", _setting(report), class_="lead"),
        element("div", element("code", report.command), class_="command"),
        _tiles(report),
        element("h2", "All trials"),
        element("div", _table(report), class_="card table"),
        element("h2", "Trial by trial"),
        *(_trial(trial, number, tunnels) for number, trial in enumerate(report.trials, 1)),
        element("footer", NOTES),
    )  # fmt: skip
    return written(element("html", head, element("body", main), lang="en"))


def _tunnels(report: FailoverReport) -> list[str]:
    seen = {trial.tunnel for trial in report.trials}
    for _, _, direction in _directions(report.trials):
        for flow in direction.flows:
            seen |= {tunnel for tunnel in (flow.tunnel_before, flow.tunnel_after) if tunnel is not None}
    return sorted(seen)


def _directions(trials: Iterable[Trial]) -> Iterator[tuple[Trial, Phase, DirectionResult]]:
    for trial in trials:
        for phase in trial.phases:
            for direction in phase.directions:
                yield trial, phase, direction


def _setting(report: FailoverReport) -> str:
    load = report.load
    began = datetime.fromtimestamp(report.started_at, UTC)
    return (
        f"{began:%Y-%m-%d %H:%M:%S} UTC, {figures.seconds(report.ended_at - report.started_at)}, on "
        f"{report.substrate}, {report.timers} timers. {load.flows} UDP flows with {load.rate:,.0f} packets a second of "
        f"{load.payload_bytes} bytes in each direction at once."
    )


def _tiles(report: FailoverReport) -> ET.Element:
    passed = sum(trial.passed for trial in report.trials)
    measured = [found for found in _directions(report.trials) if found[2].lateness.refusal is None]
    everything = [direction for _, _, direction in measured]
    lost, sent = sum(one.lost for one in everything), sum(one.sent for one in everything)
    verdict = "passed" if report.passed else "failed"
    tiles = [
        _tile("Trials passed", f"{passed} of {len(report.trials)}", _limit(report), verdict),
        _tile("Packets lost", figures.count(lost), f"of {figures.count(sent)} sent, all phases together"),
    ]
    for side in SIDES:
        worst = max(
            ((one.outage_s, trial, phase) for trial, phase, one in measured if one.sender == side),
            key=lambda found: found[0],
            default=None,
        )
        if worst is not None:
            outage, trial, phase = worst
            note = f"{trial.fault} on {trial.tunnel}, {PHASES[phase.name].lower()}" if outage else "no packet was lost"
            refused = sum(
                one.sender == side and one.lateness.refusal is not None for _, _, one in _directions(report.trials)
            )
            note += f"; {refused} not measured" if refused else ""
            tiles.append(_tile(f"Longest outage {figures.WAYS[side]}", figures.seconds(outage), note))
    return element("div", *tiles, class_="tiles")


def _limit(report: FailoverReport) -> str:
    budgets = report.budgets
    limits = []
    if budgets.max_loss_ms is not None:
        limits.append(f"outages up to {budgets.max_loss_ms:g} ms")
    if budgets.max_lost_packets is not None:
        limits.append(f"{figures.count(budgets.max_lost_packets)} packets lost")
    return f"allowed: {', '.join(limits)}" if limits else "no budget was set"


def _tile(name: str, figure: str, note: str, verdict: str = "") -> ET.Element:
    return element(
        "div", element("div", name, class_="name"), element("div", figure, class_=f"figure {verdict}".strip()),
        element("div", note, class_="note"), class_="tile",
    )  # fmt: skip


def _chip(outcome: str) -> ET.Element:
    return element("span", WORDS[outcome], class_=f"chip {outcome}")


def _table(report: FailoverReport) -> ET.Element:
    head = element(
        "tr", *(element("th", text) for text in ("Fault", "Tunnel", "Run", "", "Direction")),
        *(element("th", text, class_="number") for text in ("Lost", "Outage", "Detection", "Convergence")),
        element("th", "Lost on return", class_="number"),
    )  # fmt: skip
    rows = [row for number, trial in enumerate(report.trials, 1) for row in _rows(trial, number)]
    return element("table", element("thead", head), element("tbody", *rows))


def _rows(trial: Trial, number: int) -> Iterator[ET.Element]:
    faults, restores = (_by_side(trial, name) for name in ("fault", "restore"))
    for place, side in enumerate(SIDES):
        first = place == 0
        link = element("a", trial.fault, href=f"#trial-{number}")
        named = [element("td", link), element("td", trial.tunnel), element("td", str(trial.run)),
                 element("td", _chip(trial.outcome))]  # fmt: skip
        found, back = faults.get(side), restores.get(side)
        texts = (figures.NOTHING,) * 4 if found is None else (
            figures.lost(found), figures.outage(found), figures.detection(found),
            figures.seconds(found.convergence_s),
        )  # fmt: skip
        returned = figures.lost(back) if back else figures.NOTHING
        yield element(
            "tr", *(named if first else [element("td") for _ in named]),
            element("td", figures.WAYS[side], class_="way"),
            *(element("td", text, class_="number") for text in (*texts, returned)),
            class_="first" if first else "second",
        )  # fmt: skip


def _by_side(trial: Trial, name: str) -> dict[Side, DirectionResult]:
    return {one.sender: one for phase in trial.phases if phase.name == name for one in phase.directions}


def _trial(trial: Trial, number: int, tunnels: Sequence[str]) -> ET.Element:
    title = element(
        "div", element("h3", f"{trial.fault} on {trial.tunnel}"), element("span", f"run {trial.run}", class_="lead"),
        _chip(trial.outcome), class_="title",
    )  # fmt: skip
    parts = [title, element("p", trial.summary, class_="summary")]
    if trial.failure is not None:
        parts.append(element("p", f"Given up: {trial.failure}", class_="failure"))
    parts.append(element("ul", *(_verdict(verdict) for verdict in trial.verdicts), class_="verdicts"))
    moments = numbered(trial)
    if trial.phases:
        near = close_up(trial, tunnels)
        if near is not None:
            parts += [element("h4", "From the fault on"), _legend(tunnels), _wide(near)]
        if moments:
            parts.append(element("ol", *(_moment(one, figures.applied_at(trial)) for one in moments), class_="moments"))
        parts += [element("h4", "The whole trial"), *([] if near is not None else [_legend(tunnels)]),
                  _wide(whole_trial(trial, tunnels)), element("h4", "Phases"), _wide(_phases(trial))]  # fmt: skip
    return element("section", *parts, class_="card", id=f"trial-{number}")


def _wide(part: ET.Element) -> ET.Element:
    """What is moved aside by itself where the window is too narrow for it."""
    return element("div", part, class_="wide")


def _verdict(verdict: Verdict) -> ET.Element:
    return element(
        "li", element("span", SIGNS[verdict.outcome], class_=f"sign {verdict.outcome}"),
        element("span", verdict.question, " ", element("span", verdict.text, class_="text")),
    )  # fmt: skip


def _moment(one: Numbered, zero: float) -> ET.Element:
    moment = one.moment
    where = figures.NAMES[moment.side] if moment.side else ""
    node = f"{moment.node}: " if moment.node else ""
    cause = element("span", f" {figures.NOTHING} {moment.cause}", class_="cause") if moment.cause else None
    return element(
        "li", element("span", str(one.number), class_=f"number {moment.kind}"),
        element("span", figures.offset(moment.at - zero), class_="at"), element("span", where, class_="side"),
        element("span", node + moment.text, cause),
    )  # fmt: skip


def _legend(tunnels: Sequence[str]) -> ET.Element:
    lines = [(element("line", x1=0.0, x2=22.0, y1=4.0, y2=4.0, class_=f"flow {colour(tunnels, tunnel)}"), tunnel)
             for tunnel in tunnels]  # fmt: skip
    lines.append((element("rect", x=4.0, y=0.5, width=14.0, height=7.0, class_="loss"), "lost"))
    items = [element("span", element("svg", mark, viewBox="0 0 22 8"), name) for mark, name in lines]
    return element(
        "div", *items, element("span", "one line for each flow; how much it lost stands behind it"), class_="legend"
    )


def _phases(trial: Trial) -> ET.Element:
    head = element(
        "tr", element("th", "Phase"), element("th", "Direction"),
        *(element("th", text, class_="number") for text in ("Lost", "Doubled", "Out of order", "Longest gap", "Delay")),
        element("th", "Prober"), element("th", "TCP cloud → IDC"),
    )  # fmt: skip
    rows = []
    for phase in trial.phases:
        for place, one in enumerate(phase.directions):
            felt = figures.tcp(phase.tcp) if phase.tcp is not None and place == 0 else ""
            texts = (figures.lost(one), figures.count(one.duplicated), figures.count(one.reordered),
                     figures.seconds(one.longest_gap_s), figures.seconds(one.median_delay_s))  # fmt: skip
            rows.append(element(
                "tr", element("td", PHASES[phase.name] if place == 0 else ""),
                element("td", figures.WAYS[one.sender], class_="way"),
                *(element("td", text, class_="number") for text in texts), _prober(one), element("td", felt),
                class_="first" if place == 0 else "second",
            ))  # fmt: skip
    return element("table", element("thead", head), element("tbody", *rows))


def _prober(one: DirectionResult) -> ET.Element:
    if one.lateness.refusal is not None:
        return element("td", one.lateness.refusal, class_="unmeasured")
    return element("td", f"{one.lateness.rate:,.0f}/s, {figures.seconds(one.lateness.worst_s)} late at most")

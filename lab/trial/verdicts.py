"""The questions that a trial answers, and their answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.trial.counting import MOST_OF_EMPTY, in_words, share
from lab.trial.model import Budgets, Carried, DirectionResult, Phase, Side, Verdict

NAMES: dict[Side, str] = {"cloud": "the cloud", "idc": "the IDC"}
BACK_SHARE = 0.5
"""Of a tunnel's share before the fault (chosen: flows are hashed anew when tunnels come and go)."""


def has_left(counted: Iterable[Carried], leaving: Iterable[Side], tunnel: str) -> bool:
    """Whether these sides send nothing into the tunnel any more but what BGP itself sends."""
    known = tuple(counted)
    return all(share(known, side, tunnel) <= MOST_OF_EMPTY for side in leaving)


def is_back(counted: Iterable[Carried], before: Iterable[Carried], tunnel: str) -> bool:
    """Whether both sides send into the tunnel again, about as before."""
    known, baseline = tuple(counted), tuple(before)
    return all(share(known, side, tunnel) >= BACK_SHARE * share(baseline, side, tunnel) for side in NAMES)


def is_used(counted: Iterable[Carried], tunnel: str) -> bool:
    """Whether both sides send into the tunnel."""
    known = tuple(counted)
    return all(share(known, side, tunnel) > MOST_OF_EMPTY for side in NAMES)


def moved(counted: tuple[Carried, ...], leaving: tuple[Side, ...], tunnel: str, why_not: str | None) -> Verdict:
    """Whether the traffic went over. `why_not` says what was awaited in vain."""
    others = sorted({one.tunnel for one in counted} - {tunnel})
    question = f"traffic is on {' and '.join(others) or 'another tunnel'}"
    if set(leaving) != set(NAMES):
        question += f", from {' and '.join(NAMES[side] for side in leaving)}"
    return _answered(question, why_not, in_words(counted))


def flows(why_not: str | None) -> Verdict:
    """Whether the traffic gets through, whichever way it takes."""
    return _answered("traffic gets through", why_not, "both ways")


def back(counted: tuple[Carried, ...], tunnel: str, why_not: str | None) -> Verdict:
    """Whether the traffic came back to the tunnel, and nothing of it is lost."""
    return _answered(f"traffic is back on {tunnel}", why_not, in_words(counted))


def of_budgets(budgets: Budgets, phases: Iterable[Phase]) -> Iterator[Verdict]:
    """Whether each phase after the baseline kept to what is allowed, both ways together."""
    for phase in phases:
        if phase.name == "baseline":
            continue
        if budgets.max_loss_ms is not None:
            worst = max((direction.outage_s for direction in phase.directions), default=0.0) * 1000
            question = f"{phase.name}: no more than {budgets.max_loss_ms:g} ms without traffic"
            yield _measured(question, phase, within=worst <= budgets.max_loss_ms, text=f"{worst:.0f} ms")
        if budgets.max_lost_packets is not None:
            lost = sum(direction.lost for direction in phase.directions)
            question = f"{phase.name}: no more than {budgets.max_lost_packets} packets lost"
            yield _measured(question, phase, within=lost <= budgets.max_lost_packets, text=f"{lost} lost")


def of_measurement(phases: Iterable[Phase]) -> Iterator[Verdict]:
    """Nothing where the prober kept its schedule; where it did not, that the figures are not to be believed."""
    for phase in phases:
        for direction in phase.directions:
            if direction.lateness.refusal is not None:
                question = f"{phase.name}: the loss from {NAMES[direction.sender]} is measured"
                yield Verdict(question, "unmeasured", direction.lateness.refusal)


def _measured(question: str, phase: Phase, *, within: bool, text: str) -> Verdict:
    if _refusal(phase.directions) is not None:
        return Verdict(question, "unmeasured", text)
    return Verdict(question, "passed" if within else "failed", text)


def _refusal(directions: Iterable[DirectionResult]) -> str | None:
    return next((one.lateness.refusal for one in directions if one.lateness.refusal), None)


def _answered(question: str, why_not: str | None, text: str) -> Verdict:
    return Verdict(question, "failed", why_not) if why_not else Verdict(question, "passed", text)

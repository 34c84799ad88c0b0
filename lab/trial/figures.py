"""Figures in words for people: short, with their unit, and nothing where nothing was measured. Pure."""

from __future__ import annotations

from lab.trial.model import DirectionResult, Side, TcpResult, Trial

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
UNMEASURED = "not measured"
NAMES: dict[Side, str] = {"cloud": "cloud", "idc": "IDC"}
WAYS: dict[Side, str] = {"cloud": "cloud → IDC", "idc": "IDC → cloud"}
"""A direction, by the side that sends in it."""


def seconds(value: float | None) -> str:
    """A duration with two or three digits that say something: "0.4 ms", "18 ms", "2.62 s", "31 s"."""
    if value is None:
        return NOTHING
    for limit, text in ((0.00005, "0 ms"), (0.00995, f"{value * 1000:.1f} ms"), (0.9995, f"{value * 1000:.0f} ms"),
                        (9.995, f"{value:.2f} s"), (99.95, f"{value:.1f} s")):  # fmt: skip
        if value < limit:
            return text
    return f"{value:.0f} s"


def count(value: int) -> str:
    """A number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u2009")


def offset(value: float) -> str:
    """A time relative to the fault, with its sign: "0 ms", "+18 ms"."""
    sign = MINUS if value < 0 else "+" if seconds(abs(value)) != "0 ms" else ""
    return f"{sign}{seconds(abs(value))}"


def lost(direction: DirectionResult) -> str:
    """Packets lost of those sent; nothing is claimed where the prober refuses to."""
    if direction.lateness.refusal is not None:
        return UNMEASURED
    return f"{count(direction.lost)} of {count(direction.sent)}"


def outage(direction: DirectionResult) -> str:
    """How long packets were lost."""
    return UNMEASURED if direction.lateness.refusal is not None else seconds(direction.outage_s)


def detection(direction: DirectionResult) -> str:
    """How long it took the sending side to know, and by what."""
    if direction.detection_s is None:
        return NOTHING
    return f"{seconds(direction.detection_s)}, {direction.detected_by}"


def bits(value: float) -> str:
    """A rate: "400 kbit/s"."""
    return f"{value / 1e6:.1f} Mbit/s" if value >= 1e6 else f"{value / 1e3:.0f} kbit/s"


def tcp(found: TcpResult) -> str:
    """What a TCP flow felt."""
    if found.broken is not None:
        return f"broken: {found.broken}"
    return (
        f"{bits(found.received_bit_s)} of {bits(found.offered_bit_s)}, longest stall {seconds(found.longest_stall_s)}"
    )


def applied_at(trial: Trial) -> float:
    """When the fault was applied; where that is not known, when the trial began."""
    moments = [moment for phase in trial.phases for moment in phase.moments]
    starts = [phase.began_at for phase in trial.phases]
    return next((moment.at for moment in moments if moment.kind == "applied"), min(starts, default=0.0))

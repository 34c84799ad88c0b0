"""Detection and convergence of a direction, always apart, from what happened and when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lab.trial.model import DirectionResult, Moment


def timed(direction: DirectionResult, moments: Iterable[Moment]) -> DirectionResult:
    """The direction with how long its sending side took to know of the fault, and from there until nothing was lost.

    The first detection counts: whatever comes later, such as DPD after a hold timer, found the traffic gone already.
    Convergence ends with the last packet lost, and is 0.0 when nothing was lost after the detection.
    """
    happened = sorted(moments, key=lambda moment: moment.at)
    applied = next((moment.at for moment in happened if moment.kind == "applied"), None)
    detected = next(
        (moment for moment in happened if moment.kind == "detected" and moment.side == direction.sender), None
    )
    if applied is None or detected is None:
        return direction
    end = detected.at if direction.last_lost_at is None else max(detected.at, direction.last_lost_at)
    return replace(
        direction,
        detection_s=max(0.0, detected.at - applied),
        detected_by=detected.cause,
        convergence_s=end - detected.at,
    )

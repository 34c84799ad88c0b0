"""Detection and convergence, each direction by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trial_examples import T0, clean

from lab.trial.model import Moment
from lab.trial.speed import timed

MOMENTS = (
    Moment(T0 + 5.4, "detected", "no answer to DPD", "cloud", "bgw1", "DPD"),
    Moment(T0 + 4.6, "detected", "hold timer expired", "cloud", "bgw1", "hold timer"),
    Moment(T0 + 2, "applied", "the path drops everything"),
    Moment(T0 + 2.01, "detected", "its port is down", "idc", "hq-gw", "link"),
)


def test_the_first_detection_of_the_sending_side_counts():
    cloud, idc = (timed(clean(side, 2000), MOMENTS) for side in ("cloud", "idc"))
    assert (cloud.detection_s, cloud.detected_by) == (pytest.approx(2.6), "hold timer")
    assert (idc.detection_s, idc.detected_by) == (pytest.approx(0.01), "link")


def test_convergence_goes_from_the_detection_to_the_last_packet_lost():
    lossy = replace(clean("cloud", 2000), first_lost_at=T0 + 2, last_lost_at=T0 + 4.65)
    assert timed(lossy, MOMENTS).convergence_s == pytest.approx(0.05, abs=1e-6)


def test_what_was_lost_before_the_detection_is_no_convergence():
    early = replace(clean("cloud", 2000), first_lost_at=T0 + 2, last_lost_at=T0 + 4.5)
    assert timed(early, MOMENTS).convergence_s == 0.0


def test_what_was_not_detected_has_neither():
    found = timed(clean("idc", 2000), MOMENTS[:3])
    assert (found.detection_s, found.detected_by, found.convergence_s) == (None, None, None)

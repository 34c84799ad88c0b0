"""How long to wait for a fault to be noticed follows from the timers in the plan."""

from __future__ import annotations

import pytest

from endpoint.plan import Retransmission
from lab.plan.compile import compile_plan
from lab.spec.load import reference
from lab.trial.edits import pair_called
from lab.trial.patience import CONVERGENCE_S, dpd_s, giving_up_s, hold_time_s, notice_s

SPEC = reference()


def test_a_request_is_given_up_after_all_its_retransmissions() -> None:
    assert giving_up_s(Retransmission(timeout_s=2.0, base=1.4, tries=3)) == pytest.approx(2 + 2.8 + 3.92 + 5.488)


@pytest.mark.parametrize(("timers", "hold_s", "dpd_least_s"), [("production", 30.0, 24.0), ("fast", 3.0, 6.0)])
def test_the_slowest_timer_decides(timers: str, hold_s: float, dpd_least_s: float) -> None:
    plan = compile_plan(SPEC.model_copy(update={"timers": timers}))
    pair = pair_called(plan, "hq-1")
    assert hold_time_s(plan, pair) == hold_s
    assert dpd_least_s < dpd_s(plan, pair) < dpd_least_s + 1
    assert notice_s(plan, pair) == max(hold_s, dpd_s(plan, pair)) + CONVERGENCE_S

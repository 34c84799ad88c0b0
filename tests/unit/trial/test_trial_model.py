"""A result on its way through JSON, and what counts as passed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from trial_examples import REPORT, TRIAL

from lab.plan.codec import from_json, to_json
from lab.trial.model import FailoverReport, Verdict


def test_a_report_survives_json():
    assert from_json(FailoverReport, json.loads(json.dumps(to_json(REPORT)))) == REPORT


def test_a_run_without_a_trial_has_not_passed():
    assert not replace(REPORT, trials=()).passed


@pytest.mark.parametrize("outcome", ["failed", "unmeasured"])
def test_one_verdict_that_is_no_yes_fails_trial_and_run(outcome):
    assert REPORT.passed
    trial = replace(TRIAL, verdicts=(*TRIAL.verdicts, Verdict("?", outcome, "")))
    assert not trial.passed
    assert not replace(REPORT, trials=(TRIAL, trial)).passed


def test_a_trial_that_passed_has_no_reason_why_not():
    assert TRIAL.why_not is None


def test_a_no_is_the_reason_before_what_could_not_be_measured():
    unmeasured, failed = Verdict("is it measured", "unmeasured", "too busy"), Verdict("is it back", "failed", "0 of 8")
    assert replace(TRIAL, verdicts=(*TRIAL.verdicts, unmeasured)).why_not == "is it measured: too busy"
    assert replace(TRIAL, verdicts=(unmeasured, failed)).why_not == "is it back: 0 of 8"


def test_what_a_trial_was_given_up_for_is_the_reason_before_all_answers():
    failed = Verdict("is it back", "failed", "0 of 8")
    assert replace(TRIAL, verdicts=(failed,), failure="interrupted").why_not == "interrupted"


def test_a_trial_that_was_given_up_has_not_passed_whatever_its_verdicts():
    assert not replace(TRIAL, failure="interrupted").passed

"""Each rendering of a report against a file that people have looked at."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from trial_examples import FAILED, REPORT, TOO_LATE

from lab.cli.show_failover import failover_table
from lab.plan.codec import to_json
from lab.trial.junit import junit_report
from lab.trial.page import html_report

GOLDEN = Path(__file__).parent / "golden"
"""After a change that is meant: PYTHONPATH=tests/unit/trial python -m test_trial_renderings, and look at them."""

REPORTS = {"passed": REPORT, "failed": FAILED}


def text_report(report):
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(failover_table(report))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def json_report(report):
    return json.dumps(to_json(report), indent=1) + "\n"


RENDERINGS = {"html": html_report, "xml": junit_report, "json": json_report, "txt": text_report}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("kind", RENDERINGS)
def test_a_report_is_rendered_as_it_was_looked_at_and_found_right(kind, name):
    assert RENDERINGS[kind](REPORTS[name]) == (GOLDEN / f"{name}.{kind}").read_text(), "see GOLDEN"


class Page(HTMLParser):
    """What is in an HTML page: its elements, what it loads, its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loaded, self.words, self.open = set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open += [] if tag == "meta" else [tag]
        self.loaded += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value[0] != "#"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_page_needs_nothing_else_and_runs_nothing(report):
    text = html_report(report)
    page = Page(text)
    assert page.open == []
    assert page.loaded == []
    assert "script" not in page.tags
    assert "url(" not in text
    assert "@import" not in text


def test_what_comes_from_a_lab_is_text_in_the_page_and_nothing_else():
    page = Page(html_report(FAILED))
    assert 'flows 0 and 2 are still on "hq-2" <script>alert(1)</script>' in "".join(page.words)
    assert "port wan1 of hq-gw goes down <b>&amp; stays</b>" in "".join(page.words)
    assert "b" not in page.tags


def test_no_rendering_claims_a_figure_that_the_prober_refuses():
    for render, mark in ((html_report, "not measured"), (junit_report, "not measured"), (text_report, "?")):
        assert mark in render(FAILED)
        assert mark not in render(REPORT)
        assert not re.search(r"\b0( of |/)8.?640", render(FAILED))
    assert TOO_LATE.refusal in "".join(Page(html_report(FAILED)).words)


def test_junit_counts_what_failed_and_what_could_not_be_measured():
    suites = ET.fromstring(junit_report(FAILED))  # noqa: S314 - our own
    assert {key: suites.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "6", "failures": "1", "errors": "2",
    }  # fmt: skip
    assert [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None] == [
        "traffic is on hq-1"
    ]


@pytest.mark.parametrize("render", RENDERINGS.values(), ids=RENDERINGS)
def test_a_run_that_came_to_no_trial_or_to_no_phase_is_rendered_too(render):
    given_up = replace(FAILED.trials[1], phases=(), verdicts=())
    assert render(replace(FAILED, trials=()))
    assert render(replace(FAILED, trials=(given_up,)))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, report in REPORTS.items():
        for kind, render in RENDERINGS.items():
            (GOLDEN / f"{name}.{kind}").write_text(render(report))

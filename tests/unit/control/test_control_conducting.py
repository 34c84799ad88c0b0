"""The conductor's mark of a lab that is ready."""

from __future__ import annotations

import pytest
from test_control_readiness import PLAN, changed, ready_report

from lab.control.conducting import Readiness
from lab.plan.codec import to_json


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "ready"


@pytest.fixture
def readiness(mark):
    return Readiness(PLAN, mark)


def test_the_mark_is_there_while_the_lab_is_ready_and_the_log_says_what_is_awaited(readiness, mark, capsys):
    readiness.hear({"lab": to_json(ready_report())})
    assert mark.exists()
    stale = changed("hq-gw", stale=True)
    readiness.hear({"node": to_json(stale.node("hq-gw"))})
    assert not mark.exists()
    readiness.take({"result": to_json(ready_report())})
    assert mark.exists()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == said[2] == "lab ha is ready"
    assert said[1].startswith("waiting for node hq-gw: its agent does not answer")


def test_news_that_change_nothing_are_not_logged(readiness, capsys):
    for _ in range(3):
        readiness.take({"result": to_json(ready_report())})
    assert capsys.readouterr().out == "lab ha is ready\n"

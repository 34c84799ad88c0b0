"""`up` when things go wrong on the way: a fake computer stands at the seam where machines are started."""

from __future__ import annotations

import errno
from contextlib import contextmanager

import pytest

from lab.control import computers, record, up
from lab.control.paths import lab_directory
from lab.control.patience import ready_s
from lab.control.record import Place
from lab.errors import NotConverged, UsageError
from lab.plan.codec import digest
from lab.plan.compile import compile_plan
from lab.spec.load import reference

PLAN = compile_plan(reference())


class Silent:
    def doing(self, text): ...

    def reached(self, phase, at_s): ...


class FakeComputer:
    def __init__(self, answers):
        self.is_running = False
        self.starts = 0
        self.patience_s = []
        self.answers = answers

    def start(self, _reached, _doing):
        self.starts += 1
        self.is_running = True

    def running(self):
        return self.is_running

    @contextmanager
    def connect(self, within_s=None):
        self.patience_s.append(within_s)
        yield self

    def call(self, name, **_):
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def stop(self):
        self.is_running = False


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def computer(monkeypatch):
    fake = FakeComputer({"apply": None, "report": {"plan_digest": digest(PLAN)}})
    for module in (up, computers):
        monkeypatch.setattr(module, "computer_of", lambda *_, **__: fake)
    monkeypatch.setattr(up, "choose_place", lambda _: Place("microvm", "asked for"))
    return fake


def bring_up(timeout_s=1):
    return up.bring_up(reference(), substrate="microvm", use_snapshot=True, timeout_s=timeout_s, progress=Silent())


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
def test_a_lab_that_cannot_be_given_its_plan_is_ended(computer, monkeypatch, error):
    def refuse(_plan):
        raise error

    monkeypatch.setattr(record, "write_plan", refuse)
    with pytest.raises(type(error)):
        bring_up()
    assert computer.starts == 1
    assert not computer.is_running
    assert record.names() == ()


def test_a_lab_that_ran_already_outlives_a_plan_that_cannot_be_given(computer):
    record.write_place("ha", Place("microvm", "asked for"))
    computer.is_running = True
    computer.answers["apply"] = FULL
    with pytest.raises(OSError, match="No space left"):
        bring_up()
    assert computer.is_running
    assert record.names() == ("ha",)


@pytest.mark.parametrize("timeout_s", [None, 7])
def test_a_lab_that_does_not_answer_is_given_as_long_as_one_that_starts_and_then_started_afresh(computer, timeout_s):
    record.write_place("ha", Place("microvm", "asked for"))
    computer.is_running = True
    computer.answers["report"] = NotConverged("report: no answer from the lab within 60 s")
    computer.answers["apply"] = FULL  # far enough: it was started anew
    with pytest.raises(OSError, match="No space left"):
        bring_up(timeout_s)
    assert computer.starts == 1
    assert computer.patience_s[0] == (timeout_s or ready_s(PLAN, "microvm"))


@pytest.mark.parametrize("left", [b"", b"{", None])
def test_a_lab_whose_place_is_forgotten_is_found_running(computer, left):
    lab_directory("ha").mkdir(parents=True)
    if left is not None:
        (lab_directory("ha") / record.PLACE_FILE).write_bytes(left)
    computer.is_running = True
    computer.answers["report"] = {"plan_digest": "another"}
    with pytest.raises(UsageError, match="runs already, with another plan"):
        bring_up()
    assert computer.starts == 0
    assert computers.place_of("ha").substrate in record.SUBSTRATES


def test_nobody_looks_for_a_lab_that_was_never_started(computer):
    computer.is_running = True
    assert computers.place_of("ha") is None

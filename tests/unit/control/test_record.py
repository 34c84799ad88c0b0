"""What this host remembers of labs, and the lock that goes with each."""

from __future__ import annotations

import stat
import threading

import pytest

from lab.control import record
from lab.control.paths import lab_directory, labs_directory
from lab.control.record import Place


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_a_lab_is_remembered_until_it_is_forgotten():
    record.write_place("ha", Place("microvm", "asked for"))
    record.write_keys("ha", {"hq-1": "secret"})
    assert record.names() == ("ha",)
    assert record.read_place("ha") == Place("microvm", "asked for")
    assert record.read_keys("ha") == {"hq-1": "secret"}
    record.forget("ha")
    assert record.names() == ()
    assert record.read_place("ha") is None


def test_keys_are_readable_by_their_owner_alone():
    record.write_keys("ha", {"hq-1": "secret"})
    assert stat.S_IMODE((lab_directory("ha") / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(lab_directory("ha").stat().st_mode) == 0o700


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"substrate": '])
def test_a_broken_file_is_as_good_as_none(rubbish):
    record.write_place("ha", Place("microvm", "asked for"))
    for name in ("place.json", "plan.json", "keys.json"):
        (lab_directory("ha") / name).write_bytes(rubbish)
    assert record.read_place("ha") is None
    assert record.read_plan("ha") is None
    assert record.read_keys("ha") == {}


def test_the_lock_of_a_lab_that_is_gone_goes_with_it():
    with record.locked("ha"):
        record.write_place("ha", Place("microvm", "asked for"))
    assert list(labs_directory().glob("*.lock"))
    with record.locked("ha"):
        record.forget("ha")
    assert not list(labs_directory().iterdir())


def test_who_waited_for_a_lock_that_was_removed_holds_the_lab_alone():
    inside = 0
    most = 0
    guard = threading.Lock()

    def hold():
        nonlocal inside, most
        for _ in range(50):
            with record.locked("ha"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1

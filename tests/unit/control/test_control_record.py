"""What a host remembers of labs: damaged files are no obstacle, and locks exclude."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from lab.control import record
from lab.control.down import take_down
from lab.control.paths import lab_directory, labs_directory
from lab.control.record import Place
from lab.control.status import known
from lab.errors import LabSaysNo, UsageError
from lab.plan.compile import compile_plan
from lab.spec.load import load_topology

RUBBISH = [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"substrate": []}', b'{"substrate": "cloud"}']


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def plan():
    return compile_plan(load_topology(str(Path(__file__).parents[3] / "examples" / "ha.vpnlab.yaml"), Path.cwd(), None))


def test_what_is_written_is_read(plan):
    record.write_place("ha", Place("microvm", "asked for"))
    record.write_plan(plan)
    record.write_keys("ha", {"hq/1": "key"})
    assert record.read_place("ha") == Place("microvm", "asked for")
    assert record.read_plan("ha") == plan
    assert record.read_keys("ha") == {"hq/1": "key"}
    assert record.names() == ("ha",)
    assert stat.S_IMODE((lab_directory("ha") / record.KEYS_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(lab_directory("ha").stat().st_mode) == 0o700
    record.forget("ha")
    assert record.names() == ()


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_damaged_files_are_as_good_as_none(rubbish):
    lab_directory("ha").mkdir(parents=True)
    for file in (record.PLACE_FILE, record.PLAN_FILE, record.KEYS_FILE, record.IMAGE_FILE):
        (lab_directory("ha") / file).write_bytes(rubbish)
    assert record.read_place("ha") is None
    assert record.read_plan("ha") is None
    assert record.read_image("ha") is None
    if b"substrate" not in rubbish:
        assert record.read_keys("ha") == {}


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_lab_whose_files_are_damaged_can_be_taken_down(rubbish):
    lab_directory("ha").mkdir(parents=True)
    for file in (record.PLACE_FILE, record.PLAN_FILE, record.KEYS_FILE, "machine.json", "lab.pid"):
        (lab_directory("ha") / file).write_bytes(rubbish)
    assert take_down("ha")
    assert list(labs_directory().iterdir()) == []
    assert not take_down("ha")


def test_a_folder_in_place_of_a_file_is_as_good_as_none():
    (lab_directory("ha") / record.PLACE_FILE).mkdir(parents=True)
    assert record.read_place("ha") is None


def test_a_lab_that_was_interrupted_says_how_to_go_on(plan):
    with pytest.raises(UsageError, match="no lab ha"):
        known("ha")
    record.write_place("ha", Place("microvm", ""))
    with pytest.raises(LabSaysNo, match=r"not brought up(.|\n)*vpnlab up(.|\n)*vpnlab down"):
        known("ha")
    record.write_plan(plan)
    assert known("ha") == (Place("microvm", ""), plan)


def test_a_plan_of_another_version_is_not_taken_for_one(plan):
    record.write_plan(plan)
    path = lab_directory("ha") / record.PLAN_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"a new key": 1}))
    assert record.read_plan("ha") is None


def test_two_commands_take_turns_also_when_the_first_removes_the_lock():
    inside = []
    waiting = threading.Event()
    done = threading.Event()

    def second():
        with record.locked("ha", waiting.set):
            inside.append("second")
            done.wait(10)

    with record.locked("ha"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert inside == []
    while not inside:
        thread.join(0.01)
    third_waits = threading.Event()
    third = threading.Thread(target=lambda: record.locked("ha", third_waits.set).__enter__())
    third.daemon = True
    third.start()
    assert third_waits.wait(10), "a lock on a removed file excludes nobody"
    done.set()
    thread.join()
    third.join()


def test_the_lock_of_a_lab_that_is_gone_is_gone():
    with record.locked("ha"):
        assert os.listdir(labs_directory()) == ["ha.lock"]
    assert os.listdir(labs_directory()) == []
    with record.locked("ha"):
        record.write_place("ha", Place("microvm", ""))
    assert sorted(os.listdir(labs_directory())) == ["ha", "ha.lock"]

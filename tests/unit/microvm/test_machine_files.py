"""What is decided from a machine's directory alone, without QEMU."""

import json
from dataclasses import asdict

import pytest

from lab.substrate.microvm import machine, snapshot
from lab.substrate.microvm.machine import Machine


def written(directory, **changes):
    values = {"uuid": "nobody-has-this", "accel": "tcg", "from_snapshot": True, "pid": 2**22 + 1, "started": 7}
    made = Machine(directory=directory, ready=True, **(values | changes))
    (directory / "machine.json").write_text(json.dumps(asdict(made) | {"directory": ""}))
    return made


def test_an_empty_or_missing_directory_has_no_machine(tmp_path):
    assert machine.find(tmp_path) is None
    assert machine.find(tmp_path / "none") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 9}', "\x00"])
def test_a_broken_machine_file_is_no_machine(tmp_path, text):
    (tmp_path / "machine.json").write_text(text)
    assert machine.find(tmp_path) is None


def test_a_pid_that_belongs_to_somebody_else_is_no_machine(tmp_path):
    written(tmp_path, pid=1)
    assert machine.find(tmp_path) is None


def test_a_machine_whose_pid_was_never_written_is_looked_for(tmp_path):
    written(tmp_path, pid=0)
    assert machine.find(tmp_path) is None


def test_clearing_removes_the_machines_files_and_no_others(tmp_path):
    written(tmp_path)
    for name in ("qmp.sock", "port7.sock", "console.log", "plan.json"):
        (tmp_path / name).touch()
    (tmp_path / "snapshot").symlink_to("/nowhere")
    machine.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_machines_directory_is_its_owners_alone(tmp_path):
    machine.clear(tmp_path / "labs" / "one")
    assert (tmp_path / "labs" / "one").stat().st_mode & 0o777 == 0o700


def test_a_snapshot_is_whole_or_not_there(tmp_path):
    made = tmp_path / "name"
    made.mkdir()
    (made / "ram").write_bytes(b"12345")
    (made / "state").write_bytes(b"123")
    assert snapshot.find(tmp_path, "name") is None
    (made / "manifest.json").write_text(json.dumps({"ram_bytes": 5, "state_bytes": 3, "boot_s": 4.5}))
    assert snapshot.find(tmp_path, "name") == snapshot.Snapshot(made, 4.5)
    (made / "state").write_bytes(b"12")
    assert snapshot.find(tmp_path, "name") is None
    (made / "manifest.json").write_text("{")
    assert snapshot.find(tmp_path, "name") is None


def test_discarding_twice_is_fine(tmp_path):
    (tmp_path / "name").mkdir()
    snapshot.discard(tmp_path, "name")
    snapshot.discard(tmp_path, "name")
    assert list(tmp_path.iterdir()) == []

"""A snapshot is what was written whole: QEMU is done before the program that writes its stream to the disk."""

from __future__ import annotations

import subprocess
import time

import pytest

from lab.errors import HostCannot
from lab.substrate.microvm import snapshot

STATE_BYTES = 100_000


class SlowlyWrittenQemu:
    """Says that the migration is completed while the writer has got nothing of it yet."""

    def __init__(self, directory):
        self.directory = directory
        self.status = "completed"
        self.writer = None

    def execute(self, name, arguments=None, *, deadline):  # noqa: ARG002 - QMP's shape
        if name == "migrate":
            command = arguments["uri"].removeprefix("exec:")
            slow = f"(sleep 0.3; head -c {STATE_BYTES} /dev/zero) | ({command})"
            self.writer = subprocess.Popen(["/bin/sh", "-c", slow], cwd=self.directory)

    def await_event(self, _what, _ended, *, deadline):  # noqa: ARG002 - QMP's shape
        return {"event": "MIGRATION", "data": {"status": self.status}}


@pytest.fixture
def qemu(tmp_path):
    making = snapshot.making_directory(tmp_path, "a-b")
    making.mkdir()
    (making / "ram").write_bytes(bytes(4096))
    made = SlowlyWrittenQemu(making)
    yield made
    if made.writer is not None:
        made.writer.wait()


def test_a_snapshot_is_published_with_all_of_its_state(qemu, tmp_path):
    snapshot.save(qemu, qemu.directory, boot_s=1.0, deadline=time.monotonic() + 30)
    snapshot.publish(tmp_path, "a-b")
    qemu.writer.wait()
    assert snapshot.find(tmp_path, "a-b") == snapshot.Snapshot(tmp_path / "a-b", 1.0)
    assert (tmp_path / "a-b" / "state").stat().st_size == STATE_BYTES
    assert sorted(path.name for path in (tmp_path / "a-b").iterdir()) == ["manifest.json", "ram", "state"]


def test_a_state_that_cannot_be_written_is_no_snapshot(qemu):
    (qemu.directory / "state").mkdir()
    with pytest.raises(OSError, match="could not be written"):
        snapshot.save(qemu, qemu.directory, boot_s=1.0, deadline=time.monotonic() + 30)


def test_a_writer_that_does_not_end_is_not_waited_for_for_ever(qemu):
    with pytest.raises(TimeoutError):
        snapshot.save(qemu, qemu.directory, boot_s=1.0, deadline=time.monotonic())


def test_an_image_that_was_removed_is_not_made_again_by_its_snapshots_lock(tmp_path):
    with pytest.raises(HostCannot, match="removed just now"), snapshot.locked(tmp_path / "image" / "snapshots", "name"):
        pass
    assert not (tmp_path / "image").exists()

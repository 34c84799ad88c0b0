"""Snapshots of a booted guest: where they lie, how one is saved, loaded and thrown away.

A snapshot is a folder beside the image:

    snapshots/<name>/ram            guest memory, sparse; machines map it privately (copy on write)
                     state          the devices, as QEMU's migration stream
                     manifest.json  sizes and how long the boot took

Memory stays out of the stream (capability `x-ignore-shared`): a restore reads only the pages that the
guest touches, and labs from one snapshot share the rest.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from lab.errors import HostCannot
from lab.substrate.microvm.qemu import RAM_FILE, SNAPSHOT_LINK, STATE_FILE
from lab.substrate.microvm.qmp import Qmp, QmpError
from lab.wire.messages import Message

MANIFEST = "manifest.json"
WRITTEN = "written"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is whole. `boot_s`: the seconds from QEMU's start to the guest's first answer."""

    directory: Path
    boot_s: float


@dataclass(frozen=True, slots=True)
class _Manifest:
    ram_bytes: int
    state_bytes: int
    boot_s: float


@contextmanager
def locked(snapshots: Path, name: str) -> Iterator[None]:
    """Hold the lock under which a snapshot is made. It ends with its holder, however that dies.

    Raises HostCannot when the image is gone beside which the folder of snapshots is to be.
    """
    try:
        snapshots.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise HostCannot("the image was removed just now", mend="try again: `vpnlab up` builds it anew") from error
    with (snapshots / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find(snapshots: Path, name: str) -> Snapshot | None:
    """Return the snapshot if it is there and its files have the sizes that they were saved with."""
    directory = snapshots / name
    try:
        manifest = _Manifest(**json.loads((directory / MANIFEST).read_text()))
        sizes = ((directory / RAM_FILE).stat().st_size, (directory / STATE_FILE).stat().st_size)
    except (OSError, ValueError, TypeError):
        return None
    return Snapshot(directory, manifest.boot_s) if sizes == (manifest.ram_bytes, manifest.state_bytes) else None


def making_directory(snapshots: Path, name: str) -> Path:
    """Return where the machine runs that becomes the snapshot: one place, so that leftovers are found."""
    return snapshots / f".{name}.making"


def save(qmp: Qmp, directory: Path, *, boot_s: float, deadline: float) -> None:
    """Write the state of the machine that runs in `directory` with its memory in the file `ram` there.

    The machine is left stopped: it must not touch its memory again. Raises QmpError, OSError.
    """
    qmp.execute("stop", deadline=deadline)
    _set_capabilities(qmp, deadline)
    with _told_of_the_end(directory / WRITTEN) as told:
        # exec: with a relative path is the one transport to a file that QEMU 7.2 and 10 both have
        qmp.execute("migrate", {"uri": f"exec:cat >{STATE_FILE}; echo $? >{WRITTEN}"}, deadline=deadline)
        _await_migration(qmp, deadline)
        _await_writer(told, deadline)
    ram, state = directory / RAM_FILE, directory / STATE_FILE
    for path in (ram, state):
        _flush(path)
    manifest = _Manifest(ram.stat().st_size, state.stat().st_size, boot_s)
    (directory / MANIFEST).write_text(json.dumps(asdict(manifest)))
    _flush(directory / MANIFEST)


def publish(snapshots: Path, name: str) -> None:
    """Move the snapshot that was saved in the making directory to its place, without the machine's own files.

    Those for the same hardware under another name go: they were made with a QEMU that is no longer here.
    """
    hardware = name.rpartition("-")[0]
    for path in snapshots.glob(f"{hardware}-*"):
        discard(snapshots, path.name)
    making = making_directory(snapshots, name)
    for path in making.iterdir():
        if path.name not in {RAM_FILE, STATE_FILE, MANIFEST}:
            path.unlink()
    making.rename(snapshots / name)


def load(qmp: Qmp, *, deadline: float) -> None:
    """Restore the state behind the link `snapshot` into a machine that waits for it, and let it run."""
    _set_capabilities(qmp, deadline)
    qmp.execute("migrate-incoming", {"uri": f"exec:cat {SNAPSHOT_LINK}/{STATE_FILE}"}, deadline=deadline)
    _await_migration(qmp, deadline)
    qmp.execute("cont", deadline=deadline)


def discard(snapshots: Path, name: str) -> None:
    """Throw the snapshot away. Machines that run from it keep the memory that they have mapped."""
    rubbish = snapshots / f".{name}.{uuid4()}.rubbish"
    try:
        (snapshots / name).rename(rubbish)
    except FileNotFoundError:
        return
    shutil.rmtree(rubbish, ignore_errors=True)


def _set_capabilities(qmp: Qmp, deadline: float) -> None:
    wanted = [{"capability": name, "state": True} for name in ("x-ignore-shared", "events")]
    qmp.execute("migrate-set-capabilities", {"capabilities": wanted}, deadline=deadline)


def _await_migration(qmp: Qmp, deadline: float) -> None:
    def ended(event: Message) -> bool:
        return event["event"] == "MIGRATION" and event["data"]["status"] in {"completed", "failed"}

    status = qmp.await_event("the end of the migration", ended, deadline=deadline)["data"]["status"]
    if status != "completed":
        raise QmpError(f"the migration {status}")


@contextmanager
def _told_of_the_end(pipe: Path) -> Iterator[int]:
    """A named pipe to read from, through which the writer of a file says that it has written all of it."""
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield reader
    finally:
        os.close(reader)
        pipe.unlink()


def _await_writer(told: int, deadline: float) -> None:
    """Wait until the program that QEMU's stream goes through has ended: QEMU itself is done earlier."""
    ready, _, _ = select.select([told], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError("the machine's state was not written in time")
    code = os.read(told, 16).decode().strip()
    if code != "0":
        raise OSError(f"the machine's state could not be written: cat ended with {code}")


def _flush(path: Path) -> None:
    """Put a file on the disk: after a power failure a snapshot is whole or has no manifest."""
    with path.open("rb") as file:
        os.fsync(file.fileno())

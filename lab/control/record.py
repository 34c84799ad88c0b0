"""What this host remembers of a lab between two commands: where it runs, what it was to be, its plan and its keys.

It is no state of a tunnel: what the lab is like is asked of the lab.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.control.paths import lab_directory, labs_directory
from lab.locking import try_lock
from lab.plan.codec import from_json, to_json
from lab.plan.model import LabPlan

PLAN_FILE = "plan.json"
WANTED_FILE = "wanted.json"
KEYS_FILE = "keys.json"
PLACE_FILE = "place.json"
IMAGE_FILE = "image.json"
FAULT_FILE = "fault.json"
SUBSTRATES = ("microvm", "microvm-docker", "netns", "docker")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lab was started: the substrate's name, one of SUBSTRATES, and why that one."""

    substrate: str
    why: str


def names() -> tuple[str, ...]:
    """The labs that this host remembers, running or not."""
    try:
        return tuple(sorted(path.name for path in labs_directory().iterdir() if path.is_dir()))
    except FileNotFoundError:
        return ()


def write_place(name: str, place: Place) -> None:
    """Remember where a lab runs, before anything of it is started."""
    _write(lab_directory(name) / PLACE_FILE, {"substrate": place.substrate, "why": place.why})


def read_place(name: str) -> Place | None:
    """Where a lab was started, None when nothing is known of it, or nothing that can be read."""
    data = _read(lab_directory(name) / PLACE_FILE)
    if not isinstance(data, dict) or data.get("substrate") not in SUBSTRATES:
        return None
    return Place(data["substrate"], str(data.get("why")))


def write_image(name: str, key: str) -> None:
    """Remember the image that a lab's machine boots."""
    _write(lab_directory(name) / IMAGE_FILE, {"key": key})


def read_image(name: str) -> str | None:
    """The key of the image that a lab's machine has booted; None where there is none."""
    data = _read(lab_directory(name) / IMAGE_FILE)
    return str(data["key"]) if isinstance(data, dict) and "key" in data else None


def images() -> frozenset[str]:
    """The keys of the images that the labs of this host have booted."""
    return frozenset(key for name in names() if (key := read_image(name)) is not None)


def write_plan(plan: LabPlan) -> None:
    """Remember the plan that a lab was given."""
    _write(lab_directory(plan.name) / PLAN_FILE, to_json(plan))


def read_plan(name: str) -> LabPlan | None:
    """The plan that a lab was given, None when there is none that can be read."""
    try:
        return from_json(LabPlan, _read(lab_directory(name) / PLAN_FILE))
    except ValueError:
        return None


def write_wanted(name: str, wanted: object) -> None:
    """Remember what a lab was asked to be, as JSON without any key."""
    _write(lab_directory(name) / WANTED_FILE, wanted)


def read_wanted(name: str) -> object:
    """What a lab was asked to be, as JSON; None when there is nothing that can be read."""
    return _read(lab_directory(name) / WANTED_FILE)


def write_fault(name: str, fault: object) -> None:
    """Remember, before it is done, what is done to a lab on purpose, as JSON."""
    _write(lab_directory(name) / FAULT_FILE, fault)


def read_fault(name: str) -> object:
    """What was done to a lab on purpose and is not undone, as JSON; None when there is nothing that can be read."""
    return _read(lab_directory(name) / FAULT_FILE)


def forget_fault(name: str) -> None:
    """It is undone."""
    (lab_directory(name) / FAULT_FILE).unlink(missing_ok=True)


def write_keys(name: str, keys: Mapping[str, str]) -> None:
    """Keep a lab's pre-shared keys, by tunnel, readable by this user alone."""
    _write(lab_directory(name) / KEYS_FILE, dict(keys))


def read_keys(name: str) -> dict[str, str]:
    """The keys that were kept for a lab; none is an empty mapping."""
    data = _read(lab_directory(name) / KEYS_FILE)
    return {str(tunnel): str(key) for tunnel, key in data.items()} if isinstance(data, dict) else {}


def forget(name: str) -> None:
    """Remove everything that is remembered of a lab."""
    shutil.rmtree(lab_directory(name), ignore_errors=True)


@contextmanager
def locked(name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lab alone: two commands that change the same lab take turns. Released when the process ends.

    `waiting` is called when another one holds it. The lock's file goes with the lab.
    """
    labs_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    path = labs_directory() / f"{name}.lock"
    fileno = _hold(path, waiting)
    try:
        yield
    finally:
        if not lab_directory(name).exists():
            path.unlink(missing_ok=True)
        os.close(fileno)


def is_held(name: str) -> bool:
    """Whether a command is changing the lab now."""
    try:
        fileno = os.open(labs_directory() / f"{name}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(fileno, shared=True)
    finally:
        os.close(fileno)


def _hold(path: Path, waiting: Callable[[], None]) -> int:
    """A descriptor that holds the lock which `path` names now: its last holder may have removed the one waited for."""
    while True:
        fileno = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(fileno):
            waiting()
            fcntl.flock(fileno, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(fileno), path.stat()):
                return fileno
        except FileNotFoundError:
            pass
        os.close(fileno)


def _write(path: Path, data: object) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    fileno = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fileno, "w") as file:
        json.dump(data, file)
    draft.replace(path)


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):  # a file that cannot be read is made again, or is not missed
        return None

"""The cache of images: folders that appear whole or not at all.

A folder is made beside its final place, written to disk and renamed. Whoever makes it holds the
lock of its name, so a second maker waits and then finds it made. What an interrupted maker left
is removed by the next one, when the lock of that name is free.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.locking import try_lock

BUILDING = ".building"
REMOVING = ".removing"
USED = "last-used"


def cache_root() -> Path:
    """$XDG_CACHE_HOME/vpnlab/images; the base directory specification wants an absolute path there."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".cache"
    return base / "vpnlab" / "images"


@dataclass(frozen=True, slots=True)
class Store:
    """The folders below `root`, each with its lock in `root`/locks."""

    root: Path

    def folder(self, name: str) -> Path:
        """Where `name` is, or will be."""
        return self.root / name

    def names(self) -> tuple[str, ...]:
        """The folders that are there, complete."""
        if not self.root.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.root.iterdir() if _is_complete(path)))

    def make(self, name: str, build: Callable[[Path], None], waiting: Callable[[], None]) -> Path:
        """The folder `name`; `build` fills an empty one when it is not there.

        `waiting` is called when somebody else is making it now.
        """
        final = self.folder(name)
        if not final.is_dir():
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock(name, waiting):
                self._sweep(holding=name)
                if not final.is_dir():
                    self._build(final, build)
        self.touch(name)
        return final

    def touch(self, name: str) -> None:
        """Record that `name` is used now."""
        (self.folder(name) / USED).touch()

    def last_used(self, name: str) -> float:
        """When it was used last, in seconds since the epoch."""
        mark = self.folder(name) / USED
        return (mark if mark.exists() else self.folder(name)).stat().st_mtime

    def remove(self, name: str) -> None:
        """Remove the folder `name` with all that others have put into it; nothing when it is not there."""
        with self._lock(name, lambda: None):
            doomed = self.root / f".{name}.{secrets.token_hex(4)}{REMOVING}"
            try:
                self.folder(name).rename(doomed)
            except FileNotFoundError:
                return
            shutil.rmtree(doomed)

    def _build(self, final: Path, build: Callable[[Path], None]) -> None:
        temporary = self.root / f".{final.name}.{secrets.token_hex(4)}{BUILDING}"
        temporary.mkdir(mode=0o700)
        try:
            build(temporary)
            _write_to_disk(temporary)
            temporary.rename(final)
            _fsync(self.root)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _sweep(self, holding: str) -> None:
        for path in self.root.iterdir():
            if not path.name.startswith(".") or path.suffix not in (BUILDING, REMOVING):
                continue
            name = path.name[1:].rsplit(".", 2)[0]
            if name == holding:
                shutil.rmtree(path, ignore_errors=True)
                continue
            with self._lock_if_free(name) as free:
                if free:
                    shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        with self._lock_file(name) as descriptor:
            if not try_lock(descriptor):
                waiting()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _lock_if_free(self, name: str) -> Iterator[bool]:
        with self._lock_file(name) as descriptor:
            yield try_lock(descriptor)

    @contextmanager
    def _lock_file(self, name: str) -> Iterator[int]:
        # Lock files are never removed: a lock on a removed file excludes nobody.
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _is_complete(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and path.name != "locks"


def _write_to_disk(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in names:
            if not (Path(place) / name).is_symlink():
                _fsync(Path(place) / name)
        _fsync(Path(place))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

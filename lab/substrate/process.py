"""Processes known by more than their number: pid, start time and a mark on the command line.

A pid alone may have been given to somebody else in the meantime.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process and when it started, in clock ticks since the host booted (proc(5), stat field 22)."""

    pid: int
    started: int


def observe(pid: int) -> Process | None:
    """Return the process, or None when there is none or only its zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and parentheses
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]))


def carries(pid: int, mark: str) -> bool:
    """Tell whether one argument of the process is exactly `mark`."""
    try:
        arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return mark.encode() in arguments


def search(mark: str) -> Process | None:
    """Find the process that has `mark` as an argument of its own."""
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and carries(int(entry.name), mark):
            found = observe(int(entry.name))
            if found is not None:
                return found
    return None


def search_in(directory: Path, mark: str) -> Process | None:
    """Find the process that works in `directory` and has `mark` as an argument of its own."""
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and _works_in(int(entry.name), directory) and carries(int(entry.name), mark):
            return observe(int(entry.name))
    return None


def _works_in(pid: int, directory: Path) -> bool:
    try:
        return (PROC / str(pid) / "cwd").samefile(directory)
    except OSError:
        return False


def tied(argv: list[str]) -> list[str]:
    """`argv`, to be started by this process and killed when this process dies, however that dies.

    The shell asks whether that has happened before setpriv(1) could take its word.
    """
    setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
    return [
        setpriv,
        "--pdeathsig",
        "KILL",
        "--",
        "sh",
        "-c",
        'test "$PPID" = "$0" && exec "$@"',
        str(os.getpid()),
        *argv,
    ]


def opened(pid: int) -> int | None:
    """A pidfd for the process, which the caller closes, or None when there is no process of this number.

    Of a number that is still a process group's or session's, whose leader is gone, Linux 6.12 says EINVAL, 6.18 ESRCH.
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return None
        raise


def end(process: Process, *, grace_s: float) -> None:
    """Ask the process to end (SIGTERM), make it (SIGKILL) after `grace_s`, and wait until it is gone.

    The signals go through a pidfd whose start time was checked, so they hit nobody else.
    """
    descriptor = opened(process.pid)
    if descriptor is None:
        return
    try:
        if observe(process.pid) == process:
            gone = select.poll()
            gone.register(descriptor, select.POLLIN)
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not gone.poll(grace_s * 1000):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                gone.poll()
        _reap(descriptor)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _reap(descriptor: int) -> None:
    with contextlib.suppress(ChildProcessError):  # somebody else's child: its parent, or init, reaps it
        os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG)

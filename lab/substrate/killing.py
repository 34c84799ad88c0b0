"""Ends processes for certain: SIGKILL, and a wait until they are gone."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterable

from lab.substrate import process

KILL_DEADLINE_S = 10.0
"""Seconds that a killed process is given to vanish (chosen: charon's memory is freed in well under one)."""
MOST_ROUNDS = 20
"""Times that new processes are looked for: one that was about to fork leaves a child behind."""


def kill_all(find: Callable[[], Iterable[int]]) -> None:
    """Kill what `find` names, and again what it names then, until it names nothing."""
    for _ in range(MOST_ROUNDS):
        pids = tuple(find())
        if not pids:
            return
        for pid in pids:
            _kill(pid)


def session_members(session: int) -> tuple[int, ...]:
    """The processes of a session (setsid(2)) that are alive."""
    return tuple(pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _session_of(pid) == session)


def _session_of(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - called for every process; Path costs more
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[3])


def _kill(pid: int) -> None:
    pidfd = process.opened(pid)
    if pidfd is None:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        select.select([pidfd], [], [], KILL_DEADLINE_S)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)

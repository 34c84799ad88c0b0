"""Locks on files, which end with whoever holds them, however that dies: flock(2)."""

from __future__ import annotations

import fcntl


def try_lock(fileno: int, *, shared: bool = False) -> bool:
    """Lock an open file, alone or `shared` with others who do, without waiting; False while somebody else has it.

    It is held until the last descriptor of this opening is closed. Raises OSError.
    """
    try:
        fcntl.flock(fileno, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

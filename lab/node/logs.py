"""Keeps the logs of a node from filling the disk, which in a guest is memory."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 1 << 20
"""Chosen: with dead peer detection every second charon writes this much in a quarter of an hour, otherwise in hours."""


def bound_logs(directory: Path, most_bytes: int = MOST_BYTES) -> None:
    """Move what is in a log (`*.log`) that has grown over `most_bytes` into `*.log.1`, in the place of what was there.

    The daemons go on writing to the same file: they append, so what comes next stands at its beginning. What they
    write in the moment between copy and truncation is lost; so is all of it where the disk has no room for the copy.
    """
    for log in directory.glob("*.log"):
        if log.stat().st_size > most_bytes:
            before = log.with_suffix(".log.1")
            with suppress(OSError):  # no room, above all: then it is high time to truncate
                before.touch(mode=0o600)
                shutil.copyfile(log, before)
            os.truncate(log, 0)

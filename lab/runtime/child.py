"""What a forked child does first so that it is no second copy of its parent."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def become_child(keep: set[int], log: Path) -> None:
    """Give up what a forked child has of its parent: descriptors but `keep`, signal handlers, the terminal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for fileno in [int(name) for name in os.listdir("/proc/self/fd")]:
        if fileno > 2 and fileno not in keep:
            try:
                os.close(fileno)
            except OSError:  # the descriptor that listed the directory
                continue

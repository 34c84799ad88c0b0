"""What an error that is no LabError means to the user: a message and an exit code. Pure."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
OUTPUT_CLOSED = 141  # 128 + SIGPIPE
BUG = 70  # EX_SOFTWARE of sysexits(3)
HOST_CANNOT = 3

FREE_SPACE = "free some space there: `vpnlab image rm --all` removes what can be made again"
OTHER_FOLDER = "make it writable, or name other folders in XDG_STATE_HOME and XDG_CACHE_HOME"
OF_THE_HOST = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EROFS: OTHER_FOLDER,
    errno.EACCES: OTHER_FOLDER,
    errno.EPERM: OTHER_FOLDER,
    errno.ENOTDIR: OTHER_FOLDER,
    errno.EIO: "look at the disk: `dmesg` may say more",
    errno.EMFILE: "raise the limit of open files: `ulimit -n 1024`",
    errno.ENFILE: "too many files are open on this host",
    errno.ENOMEM: "end other programs; a lab's machine takes 512 MiB",
    errno.EAGAIN: "raise the limit of processes: `ulimit -u`",
}
"""Errors of the operating system that are about the host and not about us, with what helps."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What to say on stderr, and the exit code."""

    text: str
    exit_code: int


def of_unexpected(error: Exception) -> Failure:
    """The failure behind an exception that no code has translated."""
    if isinstance(error, BrokenPipeError):
        return Failure("nobody reads the output", OUTPUT_CLOSED)
    if isinstance(error, OSError) and error.errno in OF_THE_HOST:
        place = f"{error.filename}: " if error.filename is not None else ""
        return Failure(f"{place}{error.strerror}\n    mend: {OF_THE_HOST[error.errno]}", HOST_CANNOT)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {last[0].filename}:{last[0].lineno}" if last else ""
    said = str(error) or "no message"
    return Failure(
        f"this is a bug of vpnlab: {type(error).__name__}: {said}{where}\n"
        "    mend: run it again with -v for the traceback, and report that",
        BUG,
    )

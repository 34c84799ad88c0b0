"""The bytes of a file, at most MAX_BYTES of them, from a file, a pipe or standard input."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from lab.errors import Problem, SpecError

MAX_BYTES = 1 << 20  # ours: the largest lab that the cloud's quotas allow needs a tenth of it
CHUNK_BYTES = 1 << 16

SUFFIX = ".vpnlab.yaml"


def shown_file(path: Path) -> str:
    """The path as it may be printed; bytes that are no UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")


def read_file(path: Path, file: str, mend_absent: str) -> bytes:
    """Everything in the file `path`, which messages call `file`."""
    try:
        with path.open("rb", buffering=0) as stream:
            about = os.fstat(stream.fileno())
            if stat.S_ISREG(about.st_mode) and about.st_size > MAX_BYTES:
                raise _too_large(file)
            return read_stream(stream, file)
    except FileNotFoundError:
        raise unreadable(file, "there is no such file", mend_absent) from None
    except (OSError, ValueError) as error:
        raise _failed(file, error) from None


def read_stream(stream: IO[bytes], file: str) -> bytes:
    """Everything that the stream holds; it is left unread from MAX_BYTES on."""
    chunks: list[bytes] = []
    left = MAX_BYTES + 1
    while left > 0:
        try:
            chunk = stream.read(min(CHUNK_BYTES, left))
        except (OSError, ValueError) as error:
            raise _failed(file, error) from None
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        left -= len(chunk)
    raise _too_large(file)


def topologies_in(directory: Path) -> tuple[Path, ...]:
    """The topology files in a directory, in order of their names."""
    try:
        with os.scandir(directory) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(SUFFIX) and not entry.name.startswith(".") and not entry.is_dir()
            )
    except OSError as error:
        raise _failed(shown_file(directory), error) from None
    return tuple(directory / name for name in names)


def unreadable(file: str, what: str, mend: str) -> SpecError:
    """The error for a file that cannot be read at all."""
    return SpecError((Problem("", what, "what is built is what the file says", mend, file),))


def _failed(file: str, error: OSError | ValueError) -> SpecError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return unreadable(file, f"cannot be read: {reason}", "check its rights and what kind of file it is")


def _too_large(file: str) -> SpecError:
    problem = Problem(
        "",
        f"is larger than {MAX_BYTES // 1024} KiB",
        "no file of ours is that large, so this is most likely another one",
        "check the name",
        file,
    )
    return SpecError((problem,))

"""Files that hold keys: they are read only where nobody else can read them. Runs in the guest too."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lab.errors import UsageError


def read_private(path: Path, most_bytes: int) -> bytes:
    """What is in a file that is closed to others, `most_bytes` of it at most. Raises UsageError, which shows no key."""
    try:
        with path.open("rb", buffering=0) as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & stat.S_IRWXO:
                raise UsageError(
                    f"{path} is open to everybody on this host (mode {stat.S_IMODE(mode):04o})",
                    mend=f"chmod 600 {path}, and choose another key if somebody may have read this one",
                )
            data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path} cannot be read: {reason}", mend="check its name and its rights") from error
    if len(data) > most_bytes:
        raise UsageError(f"{path} is larger than {most_bytes} bytes", mend="this is most likely another file")
    return data

"""Unix sockets named by their directory: a path of any length works."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def _short(directory: Path) -> Iterator[str]:
    """Yield a name of `directory` that fits into the 108 bytes of `sun_path`."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def listen(directory: Path, name: str) -> socket.socket:
    """Listen on a new socket; one that a dead process left behind is replaced."""
    (directory / name).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(directory) as short:
            listener.bind(f"{short}/{name}")
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


def connect(directory: Path, name: str, *, timeout_s: float | None = None) -> socket.socket:
    """Connect. Raises OSError when there is no directory, no socket, or nobody behind it."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.settimeout(timeout_s)
        with _short(directory) as short:
            client.connect(f"{short}/{name}")
    except OSError:
        client.close()
        raise
    return client

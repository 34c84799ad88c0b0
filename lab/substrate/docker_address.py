"""Where Docker's daemon listens, and whether it does. Needs no SDK, whose import costs 0.2 s."""

from __future__ import annotations

import os
import socket

from lab.errors import HostCannot

LOCAL = "unix:///var/run/docker.sock"
UNIX = "unix://"


def address() -> str:
    """The daemon that DOCKER_HOST names, else the local one."""
    return os.environ.get("DOCKER_HOST") or LOCAL


def knock() -> None:
    """Connect to the daemon's socket and hang up; one that is not a unix socket is left alone. Raises HostCannot."""
    if not address().startswith(UNIX):
        return
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(address().removeprefix(UNIX))
        except PermissionError as error:
            raise HostCannot(
                f"user {os.geteuid()} may not open Docker's socket {address()}",
                mend="run as root, or have root say: usermod -aG docker USER, and log in again",
            ) from error
        except OSError as error:
            raise unreachable(error.strerror or str(error)) from error


def unreachable(said: str) -> HostCannot:
    """The error for a daemon that does not answer."""
    return HostCannot(
        f"no Docker daemon answers on {address()}: {said}",
        mend="start it (systemctl start docker), name another one in DOCKER_HOST, or use another --substrate",
    )

"""The lab process as a daemon of this host, for nodes that are namespaces or containers here: start it, find it.

Needs root. The daemon has an interpreter of its own: what it imports takes half a second, which no other command has
to spend.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from lab.errors import HostCannot
from lab.substrate.process import Process, observe

RUN_DIRECTORY = Path("/run/vpnlab")
SOCKET = "lab.sock"
PID_FILE = "lab.pid"
LOG = "lab.log"


def missing_programs() -> tuple[str, ...]:
    """The programs that nodes need and this host lacks."""
    programs = ("/usr/sbin/charon-systemd", "setpriv", "ip", "ping", "nft")
    return tuple(program for program in programs if shutil.which(program) is None)


def start(directory: Path, program: str = "lab.runtime.serving") -> None:
    """Start the module `program` as the lab process of the lab whose state is in `directory`.

    It listens when this returns.
    """
    (directory / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener.bind(f"/proc/self/fd/{folder}/{SOCKET}")
    os.close(folder)
    (directory / SOCKET).chmod(0o600)
    listener.listen()
    argv = [sys.executable, "-P", "-m", program, str(directory.absolute()), str(listener.fileno())]
    with listener:
        done = subprocess.run(
            argv, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise HostCannot(f"the lab process does not start: {last}", mend="`vpnlab doctor` tries what it needs")


def remove_files(name: str) -> None:
    """Remove what the nodes of a lab have written: the engines' files and logs. Nothing of them may run any more."""
    with suppress(FileNotFoundError, PermissionError):  # an ordinary user has no lab there, but may look
        shutil.rmtree(RUN_DIRECTORY / name)
    with suppress(OSError):  # other labs are there, or nothing is
        RUN_DIRECTORY.rmdir()


def find(directory: Path) -> Process | None:
    """The lab process that was started for `directory`, when it runs still."""
    try:
        known = Process(**json.loads((directory / PID_FILE).read_text()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return known if observe(known.pid) == known else None

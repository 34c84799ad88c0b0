"""What of this host a guest depends on: the QEMU program and the CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.errors import HostCannot
from lab.substrate.microvm.qemu import PROGRAM


def program() -> Path:
    """Return QEMU's path. Raises HostCannot when it is not installed."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise HostCannot(f"{PROGRAM} is not installed", mend="apt-get install qemu-system-x86")
    return Path(path)


def program_identity() -> str:
    """Return what changes with QEMU's version or build; unlike asking for the version it starts no process."""
    binary = program().resolve().stat()
    return f"{binary.st_size}-{binary.st_mtime_ns}"


def cpu_model() -> str:
    """Return the host's CPU model as /proc/cpuinfo names it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"

"""The guest's ends of its virtio-serial ports, found by name.

What a reader of a port has to know:

- A port whose other end nobody is connected to reads as ended and polls as readable, always: watch it edge-triggered.
- The first bytes of a caller can arrive before the news that it is connected. Until then a non-blocking write is
  refused (EAGAIN) and a blocking one waits.
- A port can be opened once only (EBUSY); children share it by inheriting it.
"""

from __future__ import annotations

import os
from pathlib import Path

PREFIX = "org.vpnlab."
CLASS = Path("/sys/class/virtio-ports")


def find_ports(within: Path = CLASS) -> dict[int, Path]:
    """Return the device of each of our ports by its number, in order."""
    ports = {}
    for entry in within.glob("*/name"):
        name = entry.read_text().strip()
        number = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and number.isdecimal():
            ports[int(number)] = Path("/dev") / entry.parent.name
    return dict(sorted(ports.items()))


def open_ports() -> tuple[int, ...]:
    """Open every port, non-blocking; the position in the tuple is the port's number."""
    return tuple(os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC) for device in find_ports().values())

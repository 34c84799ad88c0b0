"""The guest's processors but the first, which boots alone.

A booting kernel patches its own code all the time. Under emulation with two processors one of them now and then runs a
stale translation of what the other has just patched, and the kernel panics ("Oops: int3"); one processor cannot.
"""

from __future__ import annotations

from pathlib import Path

PROCESSORS = Path("/sys/devices/system/cpu")


def start_processors(directory: Path = PROCESSORS) -> None:
    """Start every processor that is not running. The first has no switch: it always runs."""
    for switch in sorted(directory.glob("cpu[0-9]*/online")):
        if switch.read_text().strip() == "0":
            switch.write_text("1")

"""The guest's kernel modules: all loaded before the warm-up, in which the kernel then need not look for any.

For each name that the kernel does not know, be it that of an algorithm or of a chain, it starts a modprobe: 54 while
two nodes with all that nodes have were made for the first time, 50 ms each without KVM.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from endpoint.crypto import load_kernel_modules

NAMES = Path("/etc/vpnlab-modules")
"""What the guest's start loads, in the background (compose/image/start)."""
ON_DEMAND = Path("/proc/sys/kernel/modprobe")


@contextmanager
def loaded_beforehand(names: Path = NAMES, on_demand: Path = ON_DEMAND) -> Iterator[None]:
    """Load what the guest's image names; while the block runs, the kernel loads nothing by itself."""
    load_kernel_modules(names.read_text().split())
    program = on_demand.read_text()
    on_demand.write_text("\n")
    try:
        yield
    finally:
        on_demand.write_text(program)

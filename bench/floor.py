"""The floor, host's side: the same guest, with the hand-written script in the place of the resident process."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import time
from pathlib import Path

from lab.control.computers import GUEST_MEMORY_MIB, guest_cpus
from lab.control.paths import cache_home
from lab.image import GuestImage, cpio, ensure
from lab.image.store import cache_root
from lab.substrate.microvm import accel, machine, sockets
from lab.wire.messages import encode

SCRIPT = Path(__file__).with_name("floor_guest.py")
LONGEST_S = 120.0


def floor_image() -> GuestImage:
    """The project's image with the script in the place of the resident process: the later archive wins."""
    image = ensure(lambda text: print(text, file=sys.stderr))
    script = SCRIPT.read_bytes()
    key = f"floor-{hashlib.sha256(image.key.encode() + script).hexdigest()[:16]}"
    directory = cache_root().parent / "bench" / key
    initramfs = directory / "initramfs"
    if not initramfs.exists():
        directory.mkdir(parents=True, exist_ok=True)
        name = cpio.Entry(f"{SCRIPT.stem}\n".encode())
        ours = cpio.archive({f"vpnlab/{SCRIPT.name}": cpio.Entry(script), "vpnlab/resident": name})
        draft = initramfs.with_suffix(".new")
        draft.write_bytes(image.initramfs.read_bytes() + ours)
        draft.replace(initramfs)
    return GuestImage(directory, key, image.kernel, initramfs, image.root)


def run(directory: Path, *, use_snapshot: bool) -> dict[str, object]:
    """Bring the lab up by the script, in a machine of its own in `directory`; seconds from QEMU's start."""
    image = floor_image()
    chosen = accel.choose(image.kernel, cache_home(os.environ))
    notes: list[str] = []
    began = time.monotonic()
    running = machine.start(
        image, directory, accel=chosen.name, memory_mib=GUEST_MEMORY_MIB,
        cpus=guest_cpus(), use_snapshot=use_snapshot, progress=notes.append,
    )  # fmt: skip
    try:
        started_s = time.monotonic() - began
        phases = _go(directory)
        total_s = time.monotonic() - began
        cpu_s = qemu_cpu_s(running.pid)
    finally:
        machine.clear(directory)
    return {
        "phases_s": {"machine": round(started_s, 3), **{name: round(started_s + s, 3) for name, s in phases.items()}},
        "total_s": round(total_s, 3),
        "qemu_cpu_s": cpu_s,
        "from_snapshot": running.from_snapshot,
        "notes": notes,
    }


def _go(directory: Path) -> dict[str, float]:
    with sockets.connect(directory, "port0.sock", timeout_s=LONGEST_S) as port, port.makefile("rb") as lines:
        port.sendall(
            b"\n" + encode({"call": "go", "args": {"time_ns": time.time_ns(), "entropy": secrets.token_hex(64)}})
        )
        for line in lines:
            if b'"result"' in line:
                found: dict[str, float] = json.loads(line)["result"]
                return found
    raise RuntimeError("the floor's guest ended before its work was done; see its console.log")


def qemu_cpu_s(pid: int) -> float:
    """Processor seconds that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), use_snapshot="--no-snapshot" not in sys.argv)))

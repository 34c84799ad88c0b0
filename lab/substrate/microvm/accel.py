"""Which accelerator QEMU runs with here: KVM if it has been proven, else TCG.

`/dev/kvm` may exist and not work: guests hang, QEMU asserts or reports an internal error. So the guest's
kernel is booted once without a root file system; it panics and, with `-no-reboot`, ends QEMU.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from lab.substrate import pace
from lab.substrate.microvm import qemu
from lab.substrate.microvm.host import cpu_model, program, program_identity

KVM = Path("/dev/kvm")
MEMORY = "accel.json"
PROBE_S = 6.0
"""Seconds: with KVM the kernel needs less than one to find that it has no root."""
TRY_AGAIN_S = 600.0
"""Seconds (chosen: a trial that hangs costs each lab in a row no `PROBE_S`)."""
SIGN_OF_LIFE = b"Kernel panic - not syncing: VFS"
KVM_FAILED = b"KVM internal error"


@dataclass(frozen=True, slots=True)
class Accel:
    """The value for `-accel` ("kvm" or "tcg") and why it was chosen.

    `lasts`: it holds until the host boots. What failed for a reason that may pass (a busy host, another hypervisor) is
    tried again after `TRY_AGAIN_S`.
    """

    name: str
    why: str
    lasts: bool = True


def choose(kernel: Path, cache: Path) -> Accel:
    """Return the accelerator for this host. `cache` keeps the answer of the trial of KVM while it lasts.

    Raises HostCannot when QEMU is not installed.
    """
    if not os.access(KVM, os.R_OK | os.W_OK):
        return Accel("tcg", f"{KVM} cannot be opened" if KVM.exists() else f"there is no {KVM}")
    host = _host(kernel)
    known = _recall(cache, host)
    if known is None:
        known = try_kernel("kvm", kernel)
        _remember(cache, host, known)
    return known


def try_kernel(name: str, kernel: Path) -> Accel:
    """Boot `kernel` to its panic with accelerator `name`; the answer is TCG when no sign of life comes in time."""
    limit_s = PROBE_S * pace.slowness()
    # timeout(1) ends QEMU even if this process is killed meanwhile
    argv = [shutil.which("timeout") or "/usr/bin/timeout", "--signal=KILL", f"{limit_s:.1f}"]
    argv += qemu.probe_command_line(kernel, name, program=str(program()))
    seen = b""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as trial:
        assert trial.stdout is not None  # noqa: S101 - for the type checker
        output = trial.stdout.fileno()
        until = time.monotonic() + limit_s
        while select.select([output], [], [], max(0.0, until - time.monotonic()))[0]:
            data = os.read(output, 1 << 16)
            seen += data
            if not data or SIGN_OF_LIFE in seen or KVM_FAILED in seen:
                break
        trial.terminate()  # timeout(1) hands the signal on to QEMU
    return judge(name, seen, limit_s)


def judge(name: str, seen: bytes, limit_s: float) -> Accel:
    """Decide from what QEMU and the kernel said within `limit_s` seconds."""
    if SIGN_OF_LIFE in seen:
        return Accel(name, f"the guest's kernel ran with {name}")
    if KVM_FAILED in seen:
        return Accel("tcg", f"{KVM} exists, but QEMU reported a KVM internal error when the guest's kernel started")
    first = seen.strip().partition(b"\n")[0].decode(errors="replace")
    why = f"with {name} the guest's kernel did not start within {limit_s:.0f} s: {first or 'no output'}"
    return Accel("tcg", why, lasts=False)


def _host(kernel: Path) -> list[str]:
    """Return all that the answer depends on."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return [os.uname().release, boot_id, cpu_model(), program_identity(), str(kernel.stat().st_size)]


def _recall(cache: Path, host: list[str]) -> Accel | None:
    try:
        memory = json.loads((cache / MEMORY).read_text())
        answer, age_s = Accel(**memory["answer"]), time.time() - memory["at"]
        return answer if memory["host"] == host and (answer.lasts or 0 <= age_s < TRY_AGAIN_S) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None  # no answer yet, or one that an older version wrote


def _remember(cache: Path, host: list[str], answer: Accel) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    new = cache / f".{MEMORY}.{uuid4()}"
    new.write_text(json.dumps({"host": host, "at": time.time(), "answer": asdict(answer)}))
    new.replace(cache / MEMORY)

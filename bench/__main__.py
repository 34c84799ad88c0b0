"""Measure a lab of the reference topology on this host, beside the floor; a table on stdout, JSON in bench/results/."""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import failover
from bench.floor import qemu_cpu_s
from bench.routes import measure as measure_routes
from bench.topologies import with_connections
from lab.control.computers import GUEST_MEMORY_MIB, guest_cpus
from lab.control.paths import lab_directory
from lab.control.status import session_with
from lab.errors import LabSaysNo
from lab.image import ensure
from lab.substrate.microvm import machine
from lab.substrate.microvm.host import program

RESULTS = Path(__file__).with_name("results")
RESULT_VERSION = 1
LAB = "bench"
VPNLAB = [sys.executable, "-c", "from lab.cli.main import main; main()"]
IDLE_S = 10.0
"""Seconds over which the processor use of a lab that nobody talks to is measured."""

# What a lab is to stay within, in the units of the measure.
TARGETS = {
    "image build s": 90.0, "up cold s": 20.0, "up s": 10.0, "up : floor": 1.3, "down s": 3.0, "status s": 1.5,
    "guest memory MiB": 768.0,
}  # fmt: skip

Measures = dict[str, list[float]]


def vpnlab(*args: str) -> tuple[float, dict[str, Any]]:
    """Run a command of vpnlab; the seconds it took, with Python's start, and the JSON it printed.

    "No" is an answer too: on a busy host a lab may be late with a report.
    """
    began = time.monotonic()
    done = subprocess.run([*VPNLAB, *args], capture_output=True, text=True, check=False)
    took_s = time.monotonic() - began
    if done.returncode not in (0, LabSaysNo.exit_code):
        raise SystemExit(f"vpnlab {' '.join(args)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return took_s, json.loads(done.stdout) if done.stdout.startswith("{") else {}


def product(measures: Measures, *, use_snapshot: bool) -> float:
    """One life of a lab: up, status, idle, down. Returns the seconds that `up` took."""
    kind = "up" if use_snapshot else "up cold"
    took_s, said = vpnlab("up", "--name", LAB, "--substrate", "microvm", "-f", "json",
                          *([] if use_snapshot else ["--no-snapshot"]))  # fmt: skip
    try:
        running = machine.find(lab_directory(LAB))
        if running is None:
            raise SystemExit("the lab's machine is not there")
        note(measures, f"{kind} s", took_s)
        note(measures, f"{kind}: QEMU processor s", qemu_cpu_s(running.pid))
        for phase, at_s in said["phases_s"].items():
            note(measures, f"{kind}: {phase} at s", at_s)
        note(measures, "status s", vpnlab("status", "--name", LAB, "-f", "json")[0])
        before = qemu_cpu_s(running.pid)
        time.sleep(IDLE_S)  # a measurement over time, not a wait for something
        note(measures, "idle: QEMU processor %", 100 * (qemu_cpu_s(running.pid) - before) / IDLE_S)
        note(measures, "guest memory MiB", guest_memory_mib())
        note(measures, "QEMU resident MiB", resident_mib(running.pid))
    finally:
        note(measures, "down s", vpnlab("down", "--name", LAB)[0])
    return took_s


def growth(measures: Measures, connections: int) -> None:
    """One life of a lab with so many VPN connections of two tunnels each, from the snapshot."""
    kind = f"{connections} connections"
    with tempfile.NamedTemporaryFile("w", suffix=".vpnlab.yaml") as file:
        file.write(with_connections(connections, name=LAB))
        file.flush()
        took_s, said = vpnlab("up", "-t", file.name, "--substrate", "microvm", "-f", "json")
    try:
        nodes_s, ready_s = said["phases_s"]["nodes"], said["phases_s"]["ping"]
        note(measures, f"{kind}: up s", took_s)
        note(measures, f"{kind}: from nodes to ping, s per tunnel", (ready_s - nodes_s) / (2 * connections))
        note(measures, f"{kind}: guest memory MiB", guest_memory_mib())
        note(measures, f"{kind}: status s", vpnlab("status", "--name", LAB, "-f", "json")[0])
    finally:
        note(measures, f"{kind}: down s", vpnlab("down", "--name", LAB)[0])


def routes(measures: Measures, counts: Iterable[int]) -> None:
    """One life of a lab in which so many routes come and go, and go the same way between two BIRDs."""
    vpnlab("up", "--name", LAB, "--substrate", "microvm", "-f", "json")
    try:
        measure_routes(LAB, counts, lambda name, value: note(measures, name, value))
    finally:
        vpnlab("down", "--name", LAB)


def floor(measures: Measures, *, use_snapshot: bool) -> float:
    """One run of the floor. Returns the seconds it took, with Python's start."""
    kind = "floor" if use_snapshot else "floor cold"
    with tempfile.TemporaryDirectory(prefix="vpnlab-floor-") as directory:
        argv = [sys.executable, "-m", "bench.floor", directory, *([] if use_snapshot else ["--no-snapshot"])]
        began = time.monotonic()
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
        took_s = time.monotonic() - began
    said = json.loads(done.stdout)
    note(measures, f"{kind} s", took_s)
    note(measures, f"{kind}: QEMU processor s", said["qemu_cpu_s"])
    for phase, at_s in said["phases_s"].items():
        note(measures, f"{kind}: {phase} at s", at_s)
    return took_s


def note(measures: Measures, name: str, value: float) -> None:
    """Keep one value of a measure."""
    measures.setdefault(name, []).append(round(value, 3))


def guest_memory_mib() -> float:
    """MemTotal - MemAvailable in the guest."""
    with session_with(LAB) as client:
        text = b"".join(
            base64.b64decode(message["out"])
            for message in client.stream("exec", deadline_s=60.0, lab=LAB, argv=["cat", "/proc/meminfo"])
            if "out" in message
        ).decode()
    fields = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()}
    return (fields["MemTotal"] - fields["MemAvailable"]) / 1024


def resident_mib(pid: int) -> float:
    """The memory of a process that is in RAM."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def snapshot_mib() -> float:
    """What the newest snapshot of this image takes on the disk."""
    folders = [path for path in (ensure(lambda _: None).directory / "snapshots").iterdir() if path.name[0] != "."]
    newest = max(folders, key=lambda path: path.stat().st_mtime)
    return sum(path.stat().st_blocks for path in newest.iterdir()) * 512 / (1 << 20)


def image_build(measures: Measures) -> None:
    """Build the image from nothing, in a cache of its own; needs a network."""
    with tempfile.TemporaryDirectory(prefix="vpnlab-bench-") as cache:
        began = time.monotonic()
        code = "from lab.image import ensure; ensure(lambda text: None)"
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"XDG_CACHE_HOME": cache}, check=True)
        note(measures, "image build s", time.monotonic() - began)


def host() -> dict[str, object]:
    """The host as far as it decides the figures."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    qemu = subprocess.run([program(), "--version"], capture_output=True, text=True, check=False).stdout
    return {
        "processors": os.cpu_count(),
        "processor": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "qemu": qemu.splitlines()[0] if qemu else "none",
        "guest_processors": guest_cpus(),
        "guest_memory_mib": GUEST_MEMORY_MIB,
        "load_1min": os.getloadavg()[0],
    }


def commit() -> str:
    """The version that was measured; "+" says that files were changed since."""
    argv = [shutil.which("git") or "git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    done = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def table(measures: Measures) -> Table:
    """Median, least and most of each measure."""
    shown = Table("measure", "median", "min", "max", "runs", "target")
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, values in measures.items():
        target = f"<= {TARGETS[name]:g}" if name in TARGETS else ""
        figures = (statistics.median(values), min(values), max(values))
        shown.add_row(name, *(f"{figure:.2f}" for figure in figures), str(len(values)), target)
    return shown


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="pairs of product and floor from the snapshot (5)")
    parser.add_argument("--cold", type=int, default=2, help="pairs from a guest that boots (2)")
    parser.add_argument("--connections", type=int, nargs="*", default=[], metavar="N",
                        help="also labs with so many VPN connections, as 1 5 10")  # fmt: skip
    parser.add_argument("--routes", type=int, nargs="*", default=[], metavar="N",
                        help="also so many routes to the kernel, beside BIRD, as 300 3000 30000")  # fmt: skip
    parser.add_argument("--image", action="store_true", help="also build the image from nothing; needs a network")
    parser.add_argument(
        "--failover", type=int, default=0, metavar="RUNS", help="also break a tunnel in every way, so often each"
    )
    chosen = parser.parse_args(argv)
    described, measures = host(), Measures()
    if chosen.image:
        image_build(measures)
    say("snapshots")
    product({}, use_snapshot=True)
    floor({}, use_snapshot=True)
    for use_snapshot, runs, name in ((True, chosen.runs, ""), (False, chosen.cold, " cold")):
        for run in range(runs):
            say(f"pair {run + 1} of {runs}{name}")
            ours, least = product(measures, use_snapshot=use_snapshot), floor(measures, use_snapshot=use_snapshot)
            note(measures, f"up{name} : floor{name}", ours / least)
    for connections in chosen.connections:
        say(f"{connections} connections")
        growth(measures, connections)
    if chosen.routes:
        say(f"routes: {', '.join(map(str, chosen.routes))}")
        routes(measures, chosen.routes)
    trials = failover.trials(chosen.failover) if chosen.failover else []
    note(measures, "snapshot MiB", snapshot_mib())
    described["load_1min_at_end"] = os.getloadavg()[0]
    result = {
        "version": RESULT_VERSION,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "host": described,
        "measures": measures,
        "failover": trials,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(", ".join(f"{name} {value}" for name, value in described.items()), highlight=False)
    console.print(table(measures))
    if trials:
        console.print(failover.table(trials))
    say(f"kept in {path}")


def say(text: str) -> None:
    """Progress, beside the data."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()

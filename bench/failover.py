"""What the failures of a tunnel cost: each fault of the table, some times over, on the reference topology."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from rich.table import Table

VPNLAB = [sys.executable, "-c", "from lab.cli.main import main; main()"]
LAB = "bench-failover"
FAULTS = ("bgp-session", "route", "tunnel-disable", "port", "blackhole", "kill exabgp", "kill charon")


def trials(runs: int) -> list[dict[str, Any]]:
    """Every fault on the first tunnel; a verdict of no is a result, too."""
    words = [word for fault in FAULTS for word in ("--fault", fault)]
    argv = [*VPNLAB, "failover", "--name", LAB, "--substrate", "microvm", "--tunnel", "hq-1", "--runs", str(runs)]
    try:
        done = subprocess.run([*argv, *words, "-f", "json"], stdout=subprocess.PIPE, text=True, check=False)
    finally:
        subprocess.run([*VPNLAB, "down", "--name", LAB], check=True)
    if done.returncode not in (0, 1) or not done.stdout.startswith("{"):
        raise SystemExit(f"vpnlab failover: exit code {done.returncode}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["report"]["trials"]
    return found


def table(found: list[dict[str, Any]]) -> Table:
    """One line for each trial: what was lost of what each side sent, for how long, and who noticed by what."""
    shown = Table("fault", "run", "lost: cloud", "lost: IDC", "outage, ms", "noticed by", "restoring: lost", "verdicts")
    for trial in found:
        phases = {phase["name"]: {way["sender"]: way for way in phase["directions"]} for phase in trial["phases"]}
        fault, restore = phases.get("fault", {}), phases.get("restore", {})
        outcomes = {verdict["outcome"] for verdict in trial["verdicts"]}
        shown.add_row(
            trial["fault"],
            str(trial["run"]),
            *(str(fault[side]["lost"]) if side in fault else "-" for side in ("cloud", "idc")),
            ", ".join(f"{fault[side]['outage_s'] * 1000:.0f}" for side in fault),
            ", ".join(str(fault[side]["detected_by"] or "-") for side in fault),
            ", ".join(str(restore[side]["lost"]) for side in restore),
            "passed" if outcomes == {"passed"} and trial["failure"] is None else ", ".join(sorted(outcomes)),
        )
    return shown

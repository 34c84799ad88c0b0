"""What is done to a lab on purpose, for as long as it lasts: noted before it is done, and undone by whoever comes next.

A trial notes its fault beside the lab's plan. When the trial is killed, the next command that gives the lab its plan
on record undoes the fault, and until then `vpnlab status` says that it is in force.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from lab.control import record
from lab.plan.codec import digest, from_json, to_json
from lab.plan.lacks import Lack
from lab.plan.model import LabPlan
from lab.plan.report import LabReport
from lab.substrate import pace
from lab.wire.client import Client

SIGNAL_S = 10.0
"""Seconds for kill(1) on the reference host (chosen: it takes some tens of milliseconds in a guest)."""


@dataclass(frozen=True, slots=True)
class FaultNote:
    """A fault in force: its name, the tunnel it hits, and since when by this host's clock (Unix, seconds)."""

    fault: str
    tunnel: str
    since: float


def note_fault(name: str, note: FaultNote) -> None:
    """Note a fault before it is done to a lab."""
    record.write_fault(name, to_json(note))


def noted_fault(name: str) -> FaultNote | None:
    """The fault that was done to a lab and not undone."""
    try:
        return from_json(FaultNote, record.read_fault(name))
    except ValueError:
        return None


def forget_fault(client: Client, name: str, report: LabReport) -> None:
    """After the plan on record was given again: let stopped processes go on, and take the note away."""
    send_signal(client, name, "CONT", pids_of(report))
    record.forget_fault(name)


def lacks_by_fault(plan: LabPlan, report: LabReport) -> tuple[Lack, ...]:
    """What keeps a lab from being what it was asked to be, although nobody took anything back."""
    note = noted_fault(plan.name)
    mend = f"`vpnlab up --name {plan.name}` undoes it"
    if note is not None:
        since = datetime.fromtimestamp(note.since, UTC).strftime("%H:%M:%S UTC")
        return (Lack("nodes", f"fault {note.fault} on {note.tunnel}", f"in force since {since}; {mend}"),)
    if report.plan_digest not in ("", digest(plan)):
        return (Lack("nodes", "plan", f"the lab was given another one than is on record; {mend}"),)
    return ()


def pids_of(report: LabReport) -> tuple[int, ...]:
    """The processes of all agents and their daemons, as last seen."""
    found: list[int | None] = []
    for node in report.nodes:
        seen = node.report
        found += [node.agent_pid]
        found += [
            seen.endpoint.pid if seen and seen.endpoint else None,
            seen.speaker.pid if seen and seen.speaker else None,
        ]
    return tuple(pid for pid in found if pid is not None)


def send_signal(client: Client, lab: str, signal: Literal["KILL", "STOP", "CONT"], pids: Iterable[int]) -> bool:
    """Send a signal to processes beside the nodes, those that are there. Whether all were."""
    argv = ["kill", f"-{signal}", *map(str, pids)]
    answer = client.call("exec", deadline_s=SIGNAL_S * pace.slowness(), lab=lab, node=None, argv=argv)
    return bool(answer["exit"] == 0)

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
from lab.plan.report import LabReport, NodeStatus
from lab.substrate import pace
from lab.wire.client import Client

Daemon = Literal["charon", "exabgp"]

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
    send_signal(client, name, None, "CONT", [node.agent_pid for node in report.nodes])
    for node in report.nodes:
        send_signal(client, name, node.name, "CONT", daemons_of(node).values())
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


def daemons_of(node: NodeStatus) -> dict[Daemon, int | None]:
    """The processes of a node's daemons as last seen, by their numbers there: a container has numbers of its own."""
    seen = node.report
    return {
        "charon": seen.endpoint.pid if seen and seen.endpoint else None,
        "exabgp": seen.speaker.pid if seen and seen.speaker else None,
    }


def send_signal(
    client: Client, lab: str, node: str | None, signal: Literal["KILL", "STOP", "CONT"], pids: Iterable[int | None]
) -> bool:
    """Send a signal to processes of a node or, without one, beside the nodes, where agents are seen. Whether all were
    there.
    """
    argv = ["kill", f"-{signal}", *(str(pid) for pid in pids if pid is not None)]
    if len(argv) == 2:
        return False
    answer = client.call("exec", deadline_s=SIGNAL_S * pace.slowness(), lab=lab, node=node, argv=argv)
    return bool(answer["exit"] == 0)

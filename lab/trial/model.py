"""What a failover trial found: the value from which every rendering is made.

All times named `at` are wall-clock seconds (Unix) on the one clock that all nodes of a lab share, their kernel's. A
direction is named by the side that sends in it. What could not be seen is None, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

REPORT_VERSION = 1

Side = Literal["cloud", "idc"]
SIDES: tuple[Side, Side] = ("cloud", "idc")

Cause = Literal[
    "link", "child SA", "BGP closed", "BGP notification", "BGP withdrawal", "hold timer", "DPD", "admin status",
    "daemon",
]  # fmt: skip
"""By what a side learned that a tunnel is not to be used."""

MomentKind = Literal["applied", "detected", "routes-changed", "last-lost", "moved", "undone", "ready"]
"""`moved`: the first moment from which on nothing was lost any more; `ready`: the lab is as it was."""

Outcome = Literal["passed", "failed", "unmeasured"]
"""`unmeasured` is neither yes nor no, and no success."""

PhaseName = Literal["baseline", "fault", "restore"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a timeline. `side` and `node` say where; the fault itself may have no side. `text` is for people."""

    at: float
    kind: MomentKind
    text: str
    side: Side | None = None
    node: str | None = None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class LossRun:
    """Packets of one flow lost in a row: when the first and the last of them were sent, and how many."""

    first_at: float
    last_at: float
    packets: int


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What became of one UDP flow's packets that were sent within a phase.

    `reordered` counts packets that came after a later one of their flow (RFC 4737, section 3); `duplicated` the
    copies beyond the first. `longest_gap_s` is the longest time between two arrivals, None with fewer than two. The
    tunnels are those that the sending side's gateway routes the flow into when the phase begins and when it ends.
    """

    flow: int
    source_port: int
    destination_port: int
    sent: int
    lost: int
    duplicated: int
    reordered: int
    longest_gap_s: float | None
    losses: tuple[LossRun, ...] = ()
    tunnel_before: str | None = None
    tunnel_after: str | None = None


@dataclass(frozen=True, slots=True)
class Lateness:
    """How well the prober kept its own schedule in one direction within a phase.

    `worst_s` is by how much the latest packet left after its time, `skipped` counts those that were so late that they
    were left out. `longest_silence_s` is the longest time in which nothing was sent: an outage as short could have been
    missed. `rate` is packets a second as sent. `dropped` packets had arrived, but found the prober's receive queue
    full. `refusal` says why the figures of this direction are not to be believed; None when they are.
    """

    worst_s: float
    skipped: int
    longest_silence_s: float
    rate: float
    dropped: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class DirectionResult:
    """One direction within a phase: all its flows together, and each by itself.

    `outage_s` is the time from sending the first lost packet to sending the last one and one packet's time more, 0.0
    without loss. `detection_s` is the time from the fault to its detection by the side that sends, by `detected_by`;
    `convergence_s` the time from there to the end of the loss. Both are None where no fault was applied, or where it
    was not detected.
    """

    sender: Side
    sent: int
    lost: int
    duplicated: int
    reordered: int
    outage_s: float
    longest_gap_s: float | None
    first_lost_at: float | None
    last_lost_at: float | None
    median_delay_s: float | None
    lateness: Lateness
    flows: tuple[FlowResult, ...]
    detection_s: float | None = None
    detected_by: Cause | None = None
    convergence_s: float | None = None


@dataclass(frozen=True, slots=True)
class TcpResult:
    """What an application feels: a TCP flow that is offered a steady rate, seen where it is received.

    `longest_stall_s` is the longest time in which nothing came, from `stalled_at` on. `tunnel` carried it when the
    phase began. `broken` says why the connection ended before the phase did.
    """

    sender: Side
    tunnel: str | None
    offered_bit_s: float
    received_bit_s: float
    longest_stall_s: float
    stalled_at: float | None
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """Packets that a side sent into a tunnel within a phase, by its child SAs' counters."""

    sender: Side
    tunnel: str
    packets: int


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a trial: what happened in it, in order of time, and what became of what was sent in it."""

    name: PhaseName
    began_at: float
    ended_at: float
    moments: tuple[Moment, ...]
    directions: tuple[DirectionResult, ...]
    carried: tuple[Carried, ...] = ()
    tcp: TcpResult | None = None

    def direction(self, sender: Side) -> DirectionResult:
        """The direction in which that side sends; KeyError when it was not measured."""
        for direction in self.directions:
            if direction.sender == sender:
                return direction
        raise KeyError(sender)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer to one question, such as "traffic is on hq-2"."""

    question: str
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault on one tunnel, once: baseline, fault, restore. `run` counts from 1.

    `summary` says what the fault does. A trial that was given up has the phases that it came to, and says why in
    `failure`.
    """

    fault: str
    summary: str
    tunnel: str
    run: int
    phases: tuple[Phase, ...]
    verdicts: tuple[Verdict, ...]
    failure: str | None = None

    @property
    def passed(self) -> bool:
        """Whether it went to its end and every question was answered with yes."""
        return self.outcome == "passed"

    @property
    def outcome(self) -> Outcome:
        """Of the whole trial: one no outweighs what could not be measured."""
        outcomes = {verdict.outcome for verdict in self.verdicts}
        if self.failure is not None or "failed" in outcomes:
            return "failed"
        return "unmeasured" if "unmeasured" in outcomes else "passed"

    @property
    def why_not(self) -> str | None:
        """What decided the outcome of a trial that did not pass: why it was given up, or the first such answer."""
        if self.failure is not None or self.passed:
            return self.failure
        deciding = next(verdict for verdict in self.verdicts if verdict.outcome == self.outcome)
        return f"{deciding.question}: {deciding.text}"


@dataclass(frozen=True, slots=True)
class Budgets:
    """What is allowed. None is no limit. `max_loss_ms` bounds the outage of each direction in each phase."""

    max_loss_ms: float | None = None
    max_lost_packets: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeLoad:
    """What the prober sends in each direction: packets a second over all flows together, bytes of UDP payload."""

    flows: int
    rate: float
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class FailoverReport:
    """All trials of one run of the procedure. `timers` names the profile; `command` is what was run."""

    version: int
    lab: str
    substrate: str
    timers: str
    started_at: float
    ended_at: float
    command: str
    load: ProbeLoad
    budgets: Budgets
    trials: tuple[Trial, ...]

    @property
    def passed(self) -> bool:
        """Whether there was a trial and all passed."""
        return bool(self.trials) and all(trial.passed for trial in self.trials)

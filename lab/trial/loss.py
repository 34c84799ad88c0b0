"""What was lost, doubled, out of order and late, from what both ends noted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from lab.plan.probes import ProbePlan
from lab.trial.model import DirectionResult, FlowResult, Lateness, LossRun, Side
from lab.trial.notes import NS, Notes

# Chosen.
MOST_SILENCE_S = 0.25
"""Without a packet for longer, the prober may have missed what it is there to see."""
LEAST_OF_RATE = 0.95
"""Of the packets planned; with less the figures are those of another load."""


TunnelsUsed = tuple[str | None, str | None]


def direction_result(
    sender: Side,
    notes: Notes,
    plan: ProbePlan,
    begin_ns: int,
    end_ns: int,
    tunnels: Sequence[TunnelsUsed],
) -> DirectionResult:
    """What became of the packets that were sent from `begin_ns` on and before `end_ns`.

    `tunnels` holds by flow the tunnel at the beginning and at the end.
    """
    sent: list[list[tuple[int, int]]] = [[] for _ in range(plan.flows)]
    for number, at in enumerate(notes.sent):
        if at and begin_ns <= at < end_ns:
            sent[number % plan.flows].append((number, at))
    wanted = {number: at for flow in sent for number, at in flow}
    came: list[list[tuple[int, int]]] = [[] for _ in range(plan.flows)]
    delays = []
    for number, stamp in zip(notes.numbers, notes.stamps, strict=True):
        if number in wanted:
            came[number % plan.flows].append((number, stamp))
            delays.append(stamp - wanted[number])
    flows = tuple(
        flow_result(flow, sent[flow], came[flow], (plan.first_port + flow, plan.sink_port), tunnels[flow])
        for flow in range(plan.flows)
    )
    runs = [run for flow in flows for run in flow.losses]
    first, last = (min(run.first_at for run in runs), max(run.last_at for run in runs)) if runs else (None, None)
    return DirectionResult(
        sender=sender,
        sent=sum(flow.sent for flow in flows),
        lost=sum(flow.lost for flow in flows),
        duplicated=sum(flow.duplicated for flow in flows),
        reordered=sum(flow.reordered for flow in flows),
        outage_s=last - first + 1 / plan.rate if first is not None and last is not None else 0.0,
        longest_gap_s=max((flow.longest_gap_s for flow in flows if flow.longest_gap_s is not None), default=None),
        first_lost_at=first,
        last_lost_at=last,
        median_delay_s=median(delays) / NS if delays else None,
        lateness=lateness(notes, begin_ns, end_ns),
        flows=flows,
    )


def flow_result(
    flow: int,
    sent: Sequence[tuple[int, int]],
    arrivals: Iterable[tuple[int, int]],
    ports: tuple[int, int],
    tunnels: TunnelsUsed = (None, None),
) -> FlowResult:
    """One flow from its packets as sent and as they came, each a number and a time in nanoseconds.

    A packet is reordered when one with a higher number came before it (RFC 4737, section 3.3); copies beyond the first
    are duplicates and nothing else.
    """
    copies: Counter[int] = Counter()
    reordered, highest = 0, -1
    stamps = []
    for number, stamp in arrivals:
        copies[number] += 1
        stamps.append(stamp)
        if copies[number] == 1:
            reordered += number < highest
            highest = max(highest, number)
    stamps.sort()  # two processors may stamp neighbours in either order
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    return FlowResult(
        flow=flow,
        source_port=ports[0],
        destination_port=ports[1],
        sent=len(sent),
        lost=len(sent) - len(copies),
        duplicated=copies.total() - len(copies),
        reordered=reordered,
        longest_gap_s=max(gaps) / NS if gaps else None,
        losses=tuple(_runs(sent, copies)),
        tunnel_before=tunnels[0],
        tunnel_after=tunnels[1],
    )


def _runs(sent: Sequence[tuple[int, int]], came: Counter[int]) -> Iterable[LossRun]:
    """The packets lost in a row, run by run."""
    first = last = packets = 0
    for number, at in sent:
        if number not in came:
            first = first if packets else at
            last, packets = at, packets + 1
        elif packets:
            yield LossRun(first / NS, last / NS, packets)
            packets = 0
    if packets:
        yield LossRun(first / NS, last / NS, packets)


def lateness(notes: Notes, begin_ns: int, end_ns: int) -> Lateness:
    """How well the sender kept its schedule in that time, and what the receiver had no room for."""
    due = (notes.began_ns + round(number * NS / notes.rate) for number in range(len(notes.sent)))
    planned = [(at, sent) for at, sent in zip(due, notes.sent, strict=True) if begin_ns <= at < end_ns]
    sent = [sent for _, sent in planned if sent]
    worst = max((sent - at for at, sent in planned if sent), default=0) / NS
    silence = max((later - earlier for earlier, later in pairwise((begin_ns, *sent, end_ns))), default=0) / NS
    dropped = _dropped_until(notes, end_ns) - _dropped_until(notes, begin_ns)
    wanted = notes.rate * (end_ns - begin_ns) / NS
    refusal = None
    if dropped:
        refusal = f"{dropped} packets came and found the prober's queue full: they count as lost, and were not"
    elif silence > MOST_SILENCE_S:
        refusal = f"the prober sent nothing for {silence * 1000:.0f} ms: this host was too busy"
    elif len(sent) < LEAST_OF_RATE * wanted:
        refusal = f"the prober sent {len(sent)} of {wanted:.0f} packets: this host is too slow for that rate"
    return Lateness(
        worst_s=max(0.0, worst),
        skipped=len(planned) - len(sent),
        longest_silence_s=silence,
        rate=len(sent) * NS / (end_ns - begin_ns),
        dropped=dropped,
        refusal=refusal,
    )


def _dropped_until(notes: Notes, at_ns: int) -> int:
    """Packets for which the receiver's queue had no room until that time: as it noted then or next."""
    later = (dropped for until, dropped in notes.drops if until >= at_ns)
    return next(later, notes.drops[-1][1] if notes.drops else 0)

"""Load for tests that change a lab: the project's probes, both ways, while a block runs, and what it lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from lab.trial.model import Side
from lab.trial.probing import DEFAULT_LOAD, END_OF_TIME, SIDES, probe_plan, probing


@dataclass
class Losses:
    """What became of the flows, by the side that sent them: packets sent, lost flow by flow, and the rate reached.

    Filled at the end.
    """

    sent: dict[Side, int] = field(default_factory=dict)
    lost: dict[Side, list[int]] = field(default_factory=dict)
    rate: dict[Side, float] = field(default_factory=dict)


@contextmanager
def udp_flows(lab, *, flows, rate) -> Iterator[Losses]:
    """Send `rate` packets a second over `flows` flows each way between an instance and a host while the body runs."""
    losses = Losses()
    plan = lab.plan
    load = replace(DEFAULT_LOAD, flows=flows, rate=rate)
    with (
        lab.session() as client,
        probing(client, lab.name, probe_plan(plan, plan.pings[0].tunnel, load, None)) as probes,
    ):
        yield losses
        end = probes.now()
        probes.finish()
    for direction in probes.directions(0, END_OF_TIME, {side: [(None, None)] * flows for side in SIDES}):
        side = direction.sender
        losses.sent[side] = direction.sent
        losses.lost[side] = [flow.lost for flow in direction.flows]
        losses.rate[side] = direction.sent / (end - probes.notes[side].began_ns / 1e9)

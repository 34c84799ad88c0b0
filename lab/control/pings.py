"""The pings that prove a lab: one through each tunnel, there and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.plan.codec import to_json
from lab.plan.model import LabPlan, PingPlan
from lab.substrate import pace
from lab.wire.client import Client

PING_S = 5.0
"""Seconds for the first answer to a ping through a tunnel that is up, on the reference host."""
LEAD_S = 60.0
"""Seconds to lead a ping into its tunnel on both gateways and out again (chosen: as many as a lab is given to come up;
Docker is asked on the way)."""


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """What became of the ping through one tunnel: the time it took, or why there was no answer."""

    plan: PingPlan
    round_trip_ms: float | None
    error: str | None


def ping_tunnels(client: Client, plan: LabPlan, doing: Callable[[str], None]) -> tuple[PingAnswer, ...]:
    """Ping along each of the plan's pings, each led through its tunnel both ways. The session is then spent.

    Others who ping have their turn first; `doing` is told so, once a second.
    """
    deadline_s = max(1, round(PING_S * pace.slowness()))
    pings = [{"plan": to_json(ping), "ends": tunnel_ends_of(plan, ping.tunnel)} for ping in plan.pings]
    patience_s = deadline_s + LEAD_S * pace.slowness()
    said = client.stream("ping", deadline_s=patience_s, lab=plan.name, pings=pings, wait_s=deadline_s)
    answers = []
    for message in said:
        if "answer" in message:
            answers.append(message["answer"])
        elif "waiting" in message:
            doing(f"waiting to ping through tunnel {message['waiting']}: another command pings just now")
    return tuple(
        PingAnswer(ping, answer["round_trip_ms"], answer["error"])
        for ping, answer in zip(plan.pings, answers, strict=True)
    )


def tunnel_ends_of(plan: LabPlan, tunnel: str) -> list[tuple[str, str]]:
    """The two gateways of a tunnel, the cloud's first, each with the tunnel's interface there."""
    pair = next(pair for pair in plan.tunnels if pair.name == tunnel)
    ends = []
    for name in (pair.cloud_node, pair.idc_node):
        endpoint = plan.node(name).endpoint
        assert endpoint is not None  # noqa: S101 - a node at the end of a tunnel has one
        ends.append((name, next(end.interface for end in endpoint.tunnels if end.name == tunnel)))
    return ends

"""How long a fault on a tunnel may take to be noticed, from the timers in the plan. Pure."""

from __future__ import annotations

from endpoint.plan import Retransmission
from lab.plan.model import LabPlan, TunnelPair

CONVERGENCE_S = 6.0
"""Seconds from the last timer to the last route, on the reference host (chosen: ten times what was seen)."""


def notice_s(plan: LabPlan, pair: TunnelPair) -> float:
    """Seconds after which even the slowest timer of the tunnel has run out, and its routes have followed."""
    return max(hold_time_s(plan, pair), dpd_s(plan, pair)) + CONVERGENCE_S


def hold_time_s(plan: LabPlan, pair: TunnelPair) -> float:
    """The longer hold time of the tunnel's two ends, 0 without BGP."""
    neighbors = [
        neighbor.hold_time_s
        for name in (pair.cloud_node, pair.idc_node)
        if (speaker := plan.node(name).speaker) is not None
        for neighbor in speaker.neighbors
        if neighbor.name == pair.name
    ]
    return float(max(neighbors, default=0))


def dpd_s(plan: LabPlan, pair: TunnelPair) -> float:
    """The longest time from a peer's last word to its being called dead; 0 where no end asks."""
    endpoints = (plan.node(name).endpoint for name in (pair.cloud_node, pair.idc_node))
    return max(
        (
            end.dpd_delay_s + giving_up_s(endpoint.retransmission)
            for endpoint in endpoints
            if endpoint is not None
            for end in endpoint.tunnels
            if end.name == pair.name and end.dpd_delay_s
        ),
        default=0.0,
    )


def giving_up_s(schedule: Retransmission) -> float:
    """Seconds from a request to the end of its retransmissions: the n-th of them waits `timeout_s * base ** n`."""
    return sum(schedule.timeout_s * schedule.base**number for number in range(schedule.tries + 1))

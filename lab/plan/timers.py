"""The two sets of timers, and what a tunnel has of its own. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from endpoint.plan import Retransmission
from lab.spec.model import Tunnel


@dataclass(frozen=True, slots=True)
class Timers:
    """`dpd_delay_s` stands for the cloud's 10 s where DPD is on. `keepalive_s`: None is a third of `hold_time_s`."""

    dpd_delay_s: int
    hold_time_s: int
    retransmission: Retransmission
    keepalive_s: int | None = None


# The cloud's DPD and BGP timers; its retransmissions are not documented. Ours: three, so that a dead peer is known
# 10 s + (2 + 2.8 + 3.9 + 5.5) s after its last word at the latest, before BGP's hold time has passed.
PRODUCTION = Timers(dpd_delay_s=10, hold_time_s=30, retransmission=Retransmission(timeout_s=2.0, base=1.4, tries=3))

# Chosen for CI: the shortest hold time that RFC 4271 section 4.2 allows, and DPD about as quick.
FAST = Timers(dpd_delay_s=1, hold_time_s=3, retransmission=Retransmission(timeout_s=1.0, base=1.2, tries=3))


def timers_of(profile: Literal["production", "fast"]) -> Timers:
    """The timers of a profile."""
    return FAST if profile == "fast" else PRODUCTION


def timers_for(tunnel: Tunnel, profile: Timers) -> Timers:
    """The timers of one tunnel: the profile's, but for what its own lines say."""
    tries = tunnel.dpd_retries or profile.retransmission.tries
    return Timers(
        dpd_delay_s=(tunnel.dpd_delay_sec or profile.dpd_delay_s) if tunnel.ike_dpd_sec else 0,
        hold_time_s=tunnel.bgp_hold_sec or profile.hold_time_s,
        retransmission=replace(profile.retransmission, tries=tries),
        keepalive_s=tunnel.bgp_keepalive_sec,
    )

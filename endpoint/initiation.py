"""When this end starts a negotiation: decided from what is seen, not from what happened."""

from __future__ import annotations

from dataclasses import dataclass

from endpoint.plan import TunnelPlan
from endpoint.security_associations import TunnelSas

# While charon is busy its own retransmissions do the work; nothing tells that they ended in vain.
LOOK_AGAIN_S = 1.0
# After a refusal: 0.25, 0.5, 1, 2, 4, 8, 10, 10 ... seconds. A peer that is just starting refuses what it has not
# loaded yet and is found soon; one that stays broken costs little.
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """How often this end started in vain, and the monotonic time before which it does not start again."""

    count: int = 0
    not_before: float = 0.0


def initiates(tunnel: TunnelPlan, sas: TunnelSas | None, attempt: Attempt, now: float) -> tuple[bool, Attempt | None]:
    """Whether to initiate now, and what to remember; None when the tunnel needs nothing from here."""
    if not (tunnel.initiate and tunnel.admin_up) or (sas is not None and sas.carrying):
        return False, None
    if sas is not None and sas.busy:
        return False, Attempt(attempt.count, now + LOOK_AGAIN_S)
    if now < attempt.not_before:
        return False, attempt
    pause = min(FIRST_RETRY_S * 2**attempt.count, LONGEST_RETRY_S)
    return True, Attempt(min(attempt.count + 1, 10), now + pause)

"""How much of a tunnel's bandwidth may be used at once. Pure."""

from __future__ import annotations

BURST_S = 0.1
"""Seconds of the rate (chosen: TCP's bursts, and what a busy guest does late)."""
LEAST_BURST = 30_000
"""Bytes (chosen: twenty large packets, whatever the rate)."""


def burst_bytes(bps: int) -> int:
    """Bytes that may pass at once at this rate in bit/s, after a pause."""
    return max(LEAST_BURST, round(bps / 8 * BURST_S))

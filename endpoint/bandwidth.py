"""How much of a tunnel's bandwidth may be used at once, and how much may wait for it. Pure."""

from __future__ import annotations

BURST_S = 0.2
"""Seconds of the rate (chosen: a busy guest stands still for so long, and what passes it by is lost)."""
LEAST_BURST = 30_000
"""Bytes (chosen: twenty large packets, whatever the rate)."""
QUEUE_S = 0.2
"""Seconds that a packet waits at most (chosen: what TCP needs to fill the rate over a long way, and no more)."""
LEAST_QUEUE = 64
"""Packets (chosen: at 1 Mbit/s small ones find a place, too)."""
LARGE_PACKET = 1_450  # bytes; the cloud's largest inner MTU


def burst_bytes(bps: int) -> int:
    """Bytes that may pass at once at this rate in bit/s, after a pause."""
    return max(LEAST_BURST, round(bps / 8 * BURST_S))


def queue_packets(bps: int) -> int:
    """Packets that may wait at this rate in bit/s."""
    return max(LEAST_QUEUE, round(bps / 8 * QUEUE_S / LARGE_PACKET))

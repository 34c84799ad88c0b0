"""The six rates that the cloud shows of a tunnel, from two samples of its counters. Pure."""

from __future__ import annotations

from dataclasses import dataclass

BITS = 8


@dataclass(frozen=True, slots=True)
class TunnelCounters:
    """A tunnel's counters at one moment, from the cloud's end. `at` is in seconds, of any clock that never jumps.

    The inner packets are counted in plain bytes, the ESP packets with their outer IP header in encrypted ones.
    """

    at: float
    plain_bytes_out: int
    encrypted_bytes_out: int
    encrypted_bytes_in: int
    plain_bytes_in: int
    packets_out: int
    packets_in: int


@dataclass(frozen=True, slots=True)
class TunnelRates:
    """Bit/s before and after encryption in each direction, and packets/s."""

    out_before_encryption_bps: float
    out_encrypted_bps: float
    in_encrypted_bps: float
    in_after_decryption_bps: float
    out_packets_per_s: float
    in_packets_per_s: float


def rates_between(earlier: TunnelCounters, later: TunnelCounters) -> TunnelRates:
    """The mean rates between two samples. Raises ValueError when the second is not later.

    A counter that went back began anew at zero in between, as with a new SA; then what it shows was counted since.
    """
    seconds = later.at - earlier.at
    if seconds <= 0:
        raise ValueError(f"samples {seconds} s apart give no rate")

    def per_second(before: int, after: int) -> float:
        return (after - before if after >= before else after) / seconds

    return TunnelRates(
        out_before_encryption_bps=BITS * per_second(earlier.plain_bytes_out, later.plain_bytes_out),
        out_encrypted_bps=BITS * per_second(earlier.encrypted_bytes_out, later.encrypted_bytes_out),
        in_encrypted_bps=BITS * per_second(earlier.encrypted_bytes_in, later.encrypted_bytes_in),
        in_after_decryption_bps=BITS * per_second(earlier.plain_bytes_in, later.plain_bytes_in),
        out_packets_per_s=per_second(earlier.packets_out, later.packets_out),
        in_packets_per_s=per_second(earlier.packets_in, later.packets_in),
    )

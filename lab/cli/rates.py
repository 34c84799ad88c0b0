"""The rates of a tunnel in words, as the cloud's console has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.cloud.rates import TunnelRates

UNITS = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s")
UNKNOWN = "-"


def bit_rate(bps: float) -> str:
    """ "12.3 kbit/s": three digits or so, in the unit that gives them."""
    unit = UNITS[0]
    for unit in UNITS:
        if bps < 1000 or unit == UNITS[-1]:
            break
        bps /= 1000
    return f"{bps:.0f} {unit}" if unit == UNITS[0] else f"{bps:.1f} {unit}"


def rate_columns(rates: TunnelRates | None) -> tuple[str, ...]:
    """Out before and after encryption, in before and after decryption, packets a second out and in."""
    if rates is None:
        return (UNKNOWN,) * 5
    return (
        bit_rate(rates.out_before_encryption_bps),
        bit_rate(rates.out_encrypted_bps),
        bit_rate(rates.in_encrypted_bps),
        bit_rate(rates.in_after_decryption_bps),
        f"{rates.out_packets_per_s:.1f}/{rates.in_packets_per_s:.1f}",
    )


def rate_rows(rates: TunnelRates | None) -> Iterator[tuple[str, str]]:
    """The same with its names."""
    names = ("out before encryption", "out encrypted", "in encrypted", "in after decryption", "packets/s out/in")
    yield from zip(names, rate_columns(rates), strict=True)

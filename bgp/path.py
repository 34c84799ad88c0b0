"""A path to a prefix, as a neighbor announced it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

AsPath = tuple[int | tuple[int, ...], ...]
"""AS numbers, nearest first. A nested tuple is an AS_SET, sorted.

So `len` is the length that RFC 4271 section 9.1.2.2 compares: a set counts as one.
"""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What one UPDATE says of all prefixes that it announces. `med` is None where the peer sent none."""

    next_hop: IPv4Address
    as_path: AsPath
    med: int | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """One way to a prefix: over which neighbor and interface, and with which attributes."""

    neighbor: str
    interface: str
    next_hop: IPv4Address
    as_path: AsPath
    med: int | None = None

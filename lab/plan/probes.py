"""What the probers of a lab are to send. Runs in the guest too."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, slots=True)
class ProbeEnd:
    """A node from which probes go to the other end and at which those of the other end come in."""

    node: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class TcpPlan:
    """A TCP connection from `source_port` of the first end to `port` of the second, offered `rate` bytes a second."""

    source_port: int
    port: int
    rate: float


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """Numbered UDP packets, the same in both directions at once.

    `rate` is packets a second over all flows together, `payload_bytes` what UDP carries. Packet n of a direction
    belongs to flow n % flows, which goes from port `first_port` + flow to `sink_port`. Every packet carries `token`,
    so that those of another run are told apart. Once told to stop, an end listens until nothing has come for `quiet_s`.
    """

    ends: tuple[ProbeEnd, ProbeEnd]
    flows: int
    rate: float
    payload_bytes: int
    first_port: int
    sink_port: int
    token: int
    quiet_s: float
    tcp: TcpPlan | None = None

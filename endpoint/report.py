"""What one VPN endpoint sees: the value that comes up. Everything in it was read from a live engine."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Literal


@dataclass(frozen=True, slots=True)
class IkeSaReport:
    """An IKE SA as charon lists it. SPIs are 16 hexadecimal digits; times are seconds of age."""

    unique_id: int
    state: str
    version: int
    initiator: bool
    spi_initiator: str
    spi_responder: str
    local_address: IPv4Address
    remote_address: IPv4Address
    age_s: int
    rekey_in_s: int | None
    proposal: str
    nat_local: bool
    nat_remote: bool


@dataclass(frozen=True, slots=True)
class ChildSaReport:
    """A child SA as charon lists it. SPIs are 8 hexadecimal digits; counters are since installation."""

    unique_id: int
    state: str
    spi_in: str
    spi_out: str
    encapsulated_in_udp: bool
    bytes_in: int
    packets_in: int
    bytes_out: int
    packets_out: int
    age_s: int
    rekey_in_s: int | None
    proposal: str
    local_ts: tuple[str, ...]
    remote_ts: tuple[str, ...]


TunnelState = Literal["up", "negotiating", "down", "admin-down"]


@dataclass(frozen=True, slots=True)
class TunnelReport:
    """One tunnel as last seen.

    `state`: "up" (child SA installed and the interface up), "negotiating", "down", "admin-down".
    `since`: wall-clock time in seconds (Unix) of the last change of `state`; `reason`: why it is not
    up, in words, with the daemon's last message about this tunnel.
    """

    name: str
    interface: str
    state: TunnelState
    since: float
    reason: str | None
    ike: IkeSaReport | None
    child: ChildSaReport | None


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """The daemon and its tunnels. `restarts` counts restarts after a death; `last_exit` says of what."""

    pid: int | None
    restarts: int
    last_exit: str | None
    tunnels: tuple[TunnelReport, ...]


@dataclass(frozen=True, slots=True)
class InterfaceReport:
    """One interface as the kernel shows it; counters are since it was made."""

    name: str
    up: bool
    mtu: int
    addresses: tuple[IPv4Interface, ...]
    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int


EventKind = Literal[
    "tunnel-up",
    "tunnel-down",
    "child-rekeyed",
    "ike-rekeyed",
    "negotiation-failed",
    "daemon-started",
    "daemon-died",
]


@dataclass(frozen=True, slots=True)
class EndpointEvent:
    """Something that happened. `tunnel` is None for the daemon's own events; `text` is for people."""

    kind: EventKind
    tunnel: str | None
    text: str

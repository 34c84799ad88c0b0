"""What one BGP speaker sees: the value that comes up."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

SessionState = Literal["idle", "connect", "established", "admin-down"]


@dataclass(frozen=True, slots=True)
class RefusedPrefix:
    """A prefix that a neighbor announced and that was not accepted, with the reason in words."""

    prefix: IPv4Network
    reason: str


@dataclass(frozen=True, slots=True)
class SessionReport:
    """One BGP session as last seen.

    `since` is the wall-clock time in seconds (Unix) of the last change of state; `reason` says why
    the session is not established (a NOTIFICATION in words, "connection refused", "no tunnel", ...).
    `accepted` holds the prefixes taken from this neighbor, `metrics` the lengths of their AS_PATHs in the
    same order; `refused` at most 20 of those that were not, `refused_count` how many there are.
    `complete`: the peer has sent all that it had (End-of-RIB).
    """

    name: str
    peer_address: IPv4Address
    state: SessionState
    since: float
    reason: str | None
    accepted: tuple[IPv4Network, ...]
    announced: tuple[IPv4Network, ...]
    refused: tuple[RefusedPrefix, ...] = ()
    refused_count: int = 0
    complete: bool = False
    metrics: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeakerReport:
    """The speaker's process and its sessions. `restarts` counts restarts after a death."""

    pid: int | None
    restarts: int
    last_exit: str | None
    sessions: tuple[SessionReport, ...]

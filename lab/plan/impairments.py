"""What a router does, on purpose, to packets that pass it. Pure; runs in the guest too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Traffic = Literal["all", "esp", "udp4500"]
"""Which packets: every one; those that carry a tunnel's traffic, plain or in UDP, but no IKE; those over UDP 4500."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Packets that came in by one interface and would leave by another vanish."""

    came_in: str
    goes_out: str
    traffic: Traffic = "all"


@dataclass(frozen=True, slots=True)
class Netem:
    """Packets that leave by the interface are late by `delay_ms`, and `loss_percent` of them are lost at random."""

    interface: str
    delay_ms: float = 0.0
    loss_percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Impairments:
    """Everything that a router does to what passes it."""

    drops: tuple[Drop, ...] = ()
    netem: tuple[Netem, ...] = ()


UNIMPAIRED = Impairments()

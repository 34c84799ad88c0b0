"""What the nodes of a lab are: the two things that differ between namespaces here and containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.loop import Loop
from lab.runtime.agents import AgentChild
from lab.substrate.contract import Substrate
from lab.substrate.netns import Netns
from lab.wire.messages import Message


class NodeAgent(Protocol):
    """One node's agent, as the lab process knows it."""

    restarts: int
    last_exit: str | None

    @property
    def pid(self) -> int | None:
        """Its process, None while it does not run."""

    def give(self, plan: Message) -> None:
        """Give the agent its plan, now and whenever it starts anew."""

    def ask(self, number: int) -> bool:
        """Ask the agent to look now and to answer with `number`; False when it does not run."""

    def leave(self) -> None:
        """Begin the end."""

    def join(self, deadline: float) -> None:
        """Wait for the end after `leave`, until `deadline` on the loop's clock."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where an agent sits: its node, the folder that it shares with the lab process, and who hears of it."""

    node: str
    directory: Path
    substrate: Substrate
    on_message: Callable[[Message], None]
    on_death: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Nodes:
    """How the nodes of a lab are made, by the lab's name, and how an agent gets to its seat."""

    substrate_of: Callable[[str], Substrate]
    agent_of: Callable[[Loop, Seat], NodeAgent]


def forked(loop: Loop, seat: Seat) -> AgentChild:
    """An agent that is a child of the lab process."""
    enter = seat.substrate.enter
    return AgentChild(loop, seat.node, seat.directory, lambda: enter(seat.node), seat.on_message, seat.on_death)


NAMESPACES = Nodes(Netns, forked)

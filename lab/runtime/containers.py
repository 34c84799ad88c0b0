"""Labs whose nodes are containers."""

from __future__ import annotations

from lab.loop import Loop
from lab.runtime.container_agents import ContainerAgent
from lab.runtime.nodes import Nodes, Seat
from lab.substrate.docker import Docker
from lab.substrate.standing import Standing


def contained(loop: Loop, seat: Seat) -> ContainerAgent:
    """An agent that is the main process of its node's container."""
    return ContainerAgent(loop, seat.directory, seat.on_message, seat.on_death)


CONTAINERS = Nodes(Docker, contained)
"""Containers that the lab process makes."""
STANDING = Nodes(Standing, contained)
"""Containers that somebody else makes, such as Docker Compose."""

"""The agents of a lab as main processes of containers: reached through a socket, and again when they return."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from pathlib import Path

from lab.loop import Loop, Timer
from lab.plan.containers import AGENT_SOCKET
from lab.runtime.agent_line import AgentLine
from lab.wire.channel import Channel
from lab.wire.messages import Message

AGAIN_S = 0.2
"""Seconds between two tries to reach an agent (chosen: a container takes seconds to start). Nothing tells when another
container listens; what is tried is one connect(2)."""
CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
FIRST_LOOK = "first"


class ContainerAgent:
    """One node's agent in a container; it lives on when nobody is connected, and Docker starts it anew."""

    def __init__(
        self,
        loop: Loop,
        directory: Path,
        on_message: Callable[[Message], None],
        on_death: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._path = directory / AGENT_SOCKET
        self._on_message = on_message
        self._on_death = on_death
        self._line = AgentLine()
        self._again: Timer | None = None
        self.pid: int | None = None
        self.restarts = 0
        self.last_exit: str | None = None

    def give(self, plan: Message) -> None:
        """Give the agent its plan, now or as soon as it can be reached, and whenever it returns."""
        self._line.give(plan)
        if not self._line.is_open and self._again is None:
            self._reach()

    def ask(self, number: int) -> bool:
        """Ask the agent to look now and to answer with `number`; False when it cannot be reached."""
        return self._line.ask(number)

    def leave(self) -> None:
        """Try to reach it no more. Its end is that of its container."""
        self._line.wanted = None
        if self._again is not None:
            self._again.cancel()
        self._line.hang_up()

    def join(self, deadline: float) -> None:
        """There is nothing to wait for."""

    def _reach(self) -> None:
        self._again = None
        if self._line.wanted is None:
            return
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.connect(str(self._path))
        except OSError:  # it does not listen yet, or no more
            sock.close()
            self._try_again()
            return
        self.pid = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[0]
        self._line.open(Channel(self._loop, sock, self._on_message, self._lost), also={"observe": FIRST_LOOK})

    def _lost(self) -> None:
        self._line.hang_up()
        self.pid = None
        self.restarts += 1
        self.last_exit = "the agent, or its container, ended"
        self._on_death(self.last_exit)
        self._try_again()

    def _try_again(self) -> None:
        self._again = self._loop.call_at(self._loop.now() + AGAIN_S, self._reach)

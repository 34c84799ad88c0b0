"""The agent as the main process of a container. It listens in a folder that it shares with the lab process.

Whoever connects there may give it a plan and is told what it sees: the lab process, or a health check. Without anybody
it goes on with the plan that it has. It ends with SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from bgp.preload import preload
from lab.loop import Loop
from lab.node.agent import Agent
from lab.plan.containers import AGENT_SOCKET, NODE_VARIABLE, node_directory
from lab.wire.channel import Channel
from lab.wire.messages import Message

LOG = "agent.log"
ALIVE = "alive"
"""What a health check asks. It is answered to the one who asks, also before there is a plan."""


class Callers:
    """Those who are connected: each may ask, and all hear everything."""

    def __init__(self, loop: Loop, agent: Agent, listener: socket.socket) -> None:
        self._loop = loop
        self._agent = agent
        self._listener = listener
        self._channels: list[Channel] = []
        loop.watch(listener.fileno(), self._accept)

    def tell(self, message: Message) -> None:
        """Send a message to everybody; who is gone is dropped."""
        for channel in tuple(self._channels):
            channel.send(message)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        channel: Channel | None = None

        def hear(message: Message) -> None:
            if ALIVE in message and channel is not None:
                channel.send(message)
            else:
                self._agent.on_message(message)

        def gone() -> None:
            if channel in self._channels:
                self._channels.remove(channel)

        channel = Channel(self._loop, sock, hear, gone)
        self._channels.append(channel)


def main() -> None:
    """Be the agent of the node that the environment names, until SIGTERM."""
    directory = Path(node_directory(os.environ[NODE_VARIABLE]))
    os.umask(0o077)
    directory.mkdir(parents=True, exist_ok=True)
    _log_into(directory / LOG)
    preload()
    loop = Loop(time.monotonic)
    agent = Agent(loop, directory)
    with _listening(directory / AGENT_SOCKET) as listener:
        callers = Callers(loop, agent, listener)
        _stop_at_sigterm(loop)
        agent.serve(callers.tell)


def _log_into(path: Path) -> None:
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def _listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of an agent that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(str(path))
    listener.listen()
    return listener


def _stop_at_sigterm(loop: Loop) -> None:
    """A signal alone would not end the wait for events, so it rings at a socket."""
    bell, ringer = socket.socketpair()
    ringer.setblocking(False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(ringer.detach())
    loop.watch(bell.detach(), loop.stop)


if __name__ == "__main__":
    main()

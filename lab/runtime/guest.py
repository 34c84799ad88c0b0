"""The resident process of a guest: the lab process, reached over virtio-serial ports.

Everything is imported and warmed up before it answers, since the machine is frozen into a snapshot then: starting
Python and importing is what costs most in a guest without hardware virtualisation.
"""

from __future__ import annotations

import select
import time
from pathlib import Path

from lab.loop import Loop
from lab.runtime.modules import loaded_beforehand
from lab.runtime.nodes import NAMESPACES, Nodes
from lab.runtime.ports import open_ports
from lab.runtime.process import LabProcess
from lab.runtime.processors import start_processors
from lab.runtime.server import Server
from lab.runtime.switches import hold_switches
from lab.runtime.warmup import warm_up

RUN_DIRECTORY = Path("/run/vpnlab")


class Ports:
    """The machine's virtio-serial ports, each served by a session while somebody is connected to it.

    A port without a caller is hung up and readable for ever (its end of file), so it is watched edge-triggered: it
    rings once when something changes, and then it is looked at.
    """

    def __init__(self, loop: Loop, server: Server, filenos: tuple[int, ...]) -> None:
        self._server = server
        self._serving: set[int] = set()
        self._epoll = select.epoll()
        for fileno in filenos:
            self._epoll.register(fileno, select.EPOLLIN | select.EPOLLET)
        loop.watch(self._epoll.fileno(), self._ring)

    def _ring(self) -> None:
        for fileno, _ in self._epoll.poll(0):
            self._look(fileno)

    def _look(self, fileno: int) -> None:
        if fileno in self._serving:
            return
        poll = select.poll()
        poll.register(fileno, select.POLLIN)
        if any(events & select.POLLIN and not events & select.POLLHUP for _, events in poll.poll(0)):
            self._serving.add(fileno)
            self._server.open_session(fileno, lambda: self._ended(fileno))

    def _ended(self, fileno: int) -> None:
        self._serving.discard(fileno)
        self._look(fileno)


def main() -> None:
    """Serve a lab of namespaces."""
    serve(NAMESPACES)


def serve(kind: Nodes) -> None:
    """Serve until a caller ends the lab; the machine powers off then."""
    with loaded_beforehand():
        warm_up()
        switches = hold_switches()
    start_processors()
    RUN_DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    loop = Loop(time.monotonic)
    lab = LabProcess(loop, RUN_DIRECTORY, kind)
    Ports(loop, Server(loop, lab, RUN_DIRECTORY / "sessions.log"), open_ports())
    loop.run()
    for switch in switches:
        switch.close()


if __name__ == "__main__":
    main()

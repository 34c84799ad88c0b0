"""The agents of a lab as children of the lab process: forked, watched, started again when they die."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from lab.loop import Loop, Timer
from lab.node.agent import Agent
from lab.runtime.agent_line import AgentLine
from lab.runtime.child import become_child
from lab.wire.channel import Channel
from lab.wire.messages import Message

FIRST_RESTART_S = 0.2
LONGEST_RESTART_S = 10.0
"""Seconds before a dead agent is started again: doubled with each death, back to the first after a minute of life
(chosen: quick for a single kill, calm for one that dies of its plan)."""
STEADY_AFTER_S = 60.0
STOP_DEADLINE_S = 5.0
"""Seconds that an agent is given to end charon and ExaBGP before it is killed, and they with it."""


class AgentChild:
    """One node's agent process. `enter` moves the child into its node; `on_message` gets what it says."""

    def __init__(
        self,
        loop: Loop,
        node: str,
        directory: Path,
        enter: Callable[[], None],
        on_message: Callable[[Message], None],
        on_death: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._node = node
        self._directory = directory
        self._enter = enter
        self._on_message = on_message
        self._on_death = on_death
        self._backoff_s = FIRST_RESTART_S
        self._restart: Timer | None = None
        self._line = AgentLine()
        self._pidfd = -1
        self._started_at = 0.0
        self.pid: int | None = None
        self.restarts = 0
        self.last_exit: str | None = None

    def give(self, plan: Message) -> None:
        """Give the agent its plan, now and after every restart; start it when it does not run."""
        self._line.give(plan)
        if self.pid is None and self._restart is None:
            self._start()

    def ask(self, number: int) -> bool:
        """Ask the agent to look now and to answer with `number`; False when it does not run."""
        return self._line.ask(number)

    def leave(self) -> None:
        """Begin the end: the agent sees its channel closed, ends its engines and exits."""
        self._line.wanted = None
        if self._restart is not None:
            self._restart.cancel()
        self._line.hang_up()

    def join(self, deadline: float) -> None:
        """Wait for the end after `leave`, until `deadline` on the loop's clock; then kill."""
        if self.pid is None:
            return
        self._loop.forget(self._pidfd)
        ended, _, _ = select.select([self._pidfd], [], [], max(0.0, deadline - self._loop.now()))
        if not ended:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self._reap()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._restart = None
        pid = os.fork()
        if pid == 0:
            run_child(theirs, self._directory, self._enter)
        theirs.close()
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._started_at = self._loop.now()
        self._loop.watch(self._pidfd, self._died)
        self._line.open(Channel(self._loop, ours, self._on_message, on_close=lambda: None))

    def _died(self) -> None:
        self._loop.forget(self._pidfd)
        pid = self.pid
        code = self._reap()
        self._line.hang_up()
        if self._line.wanted is None:
            return
        self.restarts += 1
        self.last_exit = f"agent {pid} {how_it_ended(code)}"
        if self._loop.now() - self._started_at > STEADY_AFTER_S:
            self._backoff_s = FIRST_RESTART_S
        self._restart = self._loop.call_at(self._loop.now() + self._backoff_s, self._start)
        self._backoff_s = min(2 * self._backoff_s, LONGEST_RESTART_S)
        self._on_death(self.last_exit)

    def _reap(self) -> int:
        assert self.pid is not None  # noqa: S101 - only called while there is a child
        _, status = os.waitpid(self.pid, 0)
        os.close(self._pidfd)
        self.pid, self._pidfd = None, -1
        return os.waitstatus_to_exitcode(status)


def how_it_ended(code: int) -> str:
    """An exit code in words; negative ones are signals, some of which have no name."""
    if code >= 0:
        return f"ended with exit code {code}"
    named = -code in {known.value for known in signal.Signals}
    return f"was killed by {signal.Signals(-code).name if named else f'signal {-code}'}"


def run_child(sock: socket.socket, directory: Path, enter: Callable[[], None]) -> None:
    """Be the agent, in a freshly forked child, and never return."""
    code = 1
    try:
        become_child({sock.fileno()}, directory / "agent.log")
        enter()
        loop = Loop(time.monotonic)
        agent = Agent(loop, directory)
        channel = Channel(loop, sock, agent.on_message, on_close=loop.stop)
        agent.serve(channel.send)
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not run on as a second lab process; its log says why
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

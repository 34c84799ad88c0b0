"""Probes for a caller: a process for each end in its node, begun together once all are ready, and what they note."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lab.errors import LabError
from lab.loop import Loop
from lab.plan.codec import from_json
from lab.plan.probes import ProbePlan
from lab.runtime.agents import how_it_ended
from lab.runtime.caller import Caller, CallerGone
from lab.runtime.child import become_child
from lab.runtime.nodes import Nodes
from lab.runtime.tcp_prober import TcpSink, TcpSource
from lab.runtime.udp_prober import UdpProber
from lab.substrate.contract import Substrate
from lab.wire.channel import Channel
from lab.wire.messages import Message

OWN_LOG = Path("/proc/self/fd/2")
"""Where a child of this process writes what it cannot tell anybody: where this process does."""

Say = Callable[[Message], None]


class Prober(Protocol):
    """What runs in a node. It is ready to receive once it is made."""

    def begin(self) -> None:
        """Send from now on."""

    def stop(self) -> None:
        """Send no more; say {"ended": true} once what was on its way has come."""


def run_probes(caller: Caller, kind: Nodes, args: Message) -> None:
    """Probe in lab `args["lab"]` as ProbePlan `args["plan"]` says, until the caller sends {"stop": true}.

    The caller receives the probers' notes as they come, and may send {"mark": anything}, which is answered with
    {"mark": the same, "at": seconds}: the time now on the probers' clock (Unix).
    """
    plan = from_json(ProbePlan, args["plan"])
    probes = _Probes(caller, kind.substrate_of(args["lab"]))
    try:
        probes.start(plan)
        probes.serve()
    finally:
        probes.end()


class _Probes:
    def __init__(self, caller: Caller, substrate: Substrate) -> None:
        self._caller = caller
        self._substrate = substrate
        self._loop = Loop(time.monotonic)
        self._children: dict[int, Channel] = {}
        self._awaited = 0
        self._failure: LabError | CallerGone | None = None

    def start(self, plan: ProbePlan) -> None:
        """Fork the probers. They begin when all have said that they are ready."""
        for number, end in enumerate(plan.ends):
            self._fork(end.node, lambda loop, say, number=number: UdpProber(loop, plan, number, say))  # type: ignore[misc]
        tcp = plan.tcp
        if tcp is not None:
            self._fork(plan.ends[0].node, lambda loop, say: TcpSource(loop, plan, tcp, say))
            self._fork(plan.ends[1].node, lambda loop, say: TcpSink(loop, plan, tcp, say))
        self._awaited = len(self._children)

    def serve(self) -> None:
        """Pass on what is said until all probers have ended. Raises CallerGone, and LabError when a prober fails."""
        self._loop.watch(self._caller.fileno(), self._listen)
        if self._caller.pending:
            self._listen()
        if self._failure is None:
            self._loop.run()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """End what still runs."""
        for pid, channel in self._children.items():
            channel.close()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._children.clear()
        self._loop.close()

    def _fork(self, node: str, prober: Callable[[Loop, Say], Prober]) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _be_prober(theirs, node, self._substrate, prober)
        theirs.close()
        self._children[pid] = Channel(
            self._loop, ours, lambda message: self._heard(pid, node, message), on_close=lambda: self._died(pid, node)
        )

    def _heard(self, pid: int, node: str, message: Message) -> None:
        if "failed" in message:
            self._give_up(LabError(f"the prober in {node} fails: {message['failed']}"))
        elif "ready" in message:
            self._awaited -= 1
            if not self._awaited:
                self._tell_all({"begin": True})
        elif "ended" in message:
            self._children.pop(pid).close()
            os.waitpid(pid, 0)
            if not self._children:
                self._loop.stop()
        else:
            self._tell_caller(message)

    def _died(self, pid: int, node: str) -> None:
        """A prober is gone that nobody had told to go."""
        del self._children[pid]
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self._give_up(LabError(f"the prober in {node} {how_it_ended(code)}"))

    def _listen(self) -> None:
        try:
            for message in self._caller.receive():
                if "mark" in message:
                    self._tell_caller({"mark": message["mark"], "at": time.time()})
                if "stop" in message:
                    self._tell_all({"stop": True})
        except CallerGone as gone:
            self._give_up(gone)

    def _tell_all(self, message: Message) -> None:
        for channel in tuple(self._children.values()):
            channel.send(message)

    def _tell_caller(self, message: Message) -> None:
        try:
            self._caller.send(message)
        except CallerGone as gone:
            self._give_up(gone)

    def _give_up(self, failure: LabError | CallerGone) -> None:
        self._failure = self._failure or failure
        self._loop.stop()


def _be_prober(sock: socket.socket, node: str, substrate: Substrate, prober: Callable[[Loop, Say], Prober]) -> None:
    """Be a prober, in a freshly forked child, and never return."""
    code = 1
    try:
        become_child({sock.fileno()}, OWN_LOG)
        loop = Loop(time.monotonic)
        running: list[Prober] = []
        channel = Channel(loop, sock, lambda message: _obey(running[0], message), on_close=loop.stop)
        try:
            substrate.enter(node)
            running.append(prober(loop, channel.send))
        except (OSError, LabError) as error:
            channel.send({"failed": str(error)})
        else:
            channel.send({"ready": True})
        loop.run()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not run on as a second session; the log says why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _obey(prober: Prober, message: Message) -> None:
    if "begin" in message:
        prober.begin()
    if "stop" in message:
        prober.stop()

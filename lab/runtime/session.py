"""One caller's session, in a process of its own: talks to the caller, and to the lab process for it.

A session may block on its caller as long as it likes; nobody else waits for it. It ends when the caller is gone, and
what it started in a node ends with it.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Iterator

from lab.errors import LabError
from lab.runtime.caller import Caller, CallerGone
from lab.runtime.commands import run_command
from lab.runtime.nodes import NAMESPACES, Nodes
from lab.runtime.pings import ping_through_tunnels
from lab.runtime.probes import run_probes
from lab.wire.messages import LineReader, Message, encode

IN_SESSION = {"exec": run_command, "ping": ping_through_tunnels, "probe": run_probes}
"""Calls that a session carries out by itself; the lab process answers the others."""


class Session:
    """Calls of one caller, one after the other."""

    def __init__(self, caller: Caller, lab: socket.socket, kind: Nodes) -> None:
        self._caller = caller
        self._kind = kind
        self._lab = lab
        self._answers = LineReader()
        self._unanswered = False
        self._fences = itertools.count(1)

    def serve(self) -> None:
        """Greet and answer until the caller is gone; a new caller on the same line is greeted anew.

        Nothing is done before a hello: what a killed caller has left on the line is not for us. Neither is what
        follows a command that has ended, such as the rest of its input.
        """
        hello: Message | None = None
        greeted = False
        while True:
            try:
                if hello is not None:
                    new, hello, greeted = hello, None, True
                    self._drop_answers()
                    self._caller.greet(new)
                for message in self._caller.receive():
                    if greeted and "call" in message:
                        self._call(message)
            except CallerGone as gone:
                if gone.hello is None and not self._caller.await_next():
                    return
                hello = gone.hello

    def _call(self, message: Message) -> None:
        carry_out = IN_SESSION.get(str(message["call"]))
        if carry_out is None:
            self._hand_on(message)
            return
        self._caller.send({"taken": True})  # a caller may wait for this, and for nothing else for long
        try:
            self._caller.send({"result": carry_out(self._caller, self._kind, message.get("args", {}))})
        except LabError as error:
            self._caller.send({"error": {"kind": type(error).__name__, "what": error.what, "mend": error.mend}})
        except (KeyError, TypeError, ValueError) as error:
            self._caller.send({"error": {"kind": "UsageError", "what": f"{message['call']}: {error!r}", "mend": None}})

    def _drop_answers(self) -> None:
        """Have the lab process answer no earlier call, and drop what it has answered already."""
        if not self._unanswered:
            return
        fence = next(self._fences)
        self._lab.sendall(encode({"call": "forget", "args": {"fence": fence}}))
        while not any(answer.get("fence") == fence for answer in self._from_lab()):
            continue
        self._unanswered = False

    def _hand_on(self, message: Message) -> None:
        """Let the lab process answer: everything up to its result or error, or until the caller hangs up."""
        self._unanswered = True
        self._lab.sendall(encode(message))
        poll = select.poll()
        poll.register(self._caller.fileno(), select.POLLIN)
        poll.register(self._lab.fileno(), select.POLLIN)
        while True:
            for fileno, _ in poll.poll():
                if fileno == self._caller.fileno():
                    for _ in self._caller.receive():
                        continue
                    continue
                for answer in self._from_lab():
                    self._caller.send(answer)
                    if "result" in answer or "error" in answer:
                        self._unanswered = False
                        return

    def _from_lab(self) -> Iterator[Message]:
        data = self._lab.recv(1 << 16)
        if not data:
            raise CallerGone
        return iter(list(self._answers.feed(data)))


def run_session(fileno: int, lab: socket.socket, kind: Nodes = NAMESPACES) -> None:
    """Be a session, in a freshly forked child, and never return. `fileno` and `lab` are all it keeps open."""
    code = 1
    try:
        os.set_blocking(fileno, True)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        Session(Caller(fileno), lab, kind).serve()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not run on as a second lab process; the log says why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)

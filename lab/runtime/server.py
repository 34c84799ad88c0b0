"""Lets callers into the lab process: forks a session for each and answers what the session hands on."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from lab.errors import LabError
from lab.loop import Loop
from lab.runtime.child import become_child
from lab.runtime.process import LabProcess, Reply
from lab.runtime.session import run_session
from lab.runtime.wake import wake
from lab.wire.channel import Channel
from lab.wire.messages import Message


class Server:
    """Sessions of callers with one lab process. `log` is where sessions write what they cannot tell anybody."""

    def __init__(self, loop: Loop, lab: LabProcess, log: Path) -> None:
        self._loop = loop
        self._lab = lab
        self._log = log

    def open_session(self, fileno: int, on_end: Callable[[], None]) -> None:
        """Serve the caller on `fileno` in a process of its own; `on_end` is called when it has ended."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            become_child({fileno, theirs.fileno()}, self._log)
            run_session(fileno, theirs, self._lab.kind)
        theirs.close()
        pidfd = os.pidfd_open(pid)
        channel: Channel | None = None

        def reply(message: Message) -> None:
            if channel is not None:
                channel.send(message)

        def ended() -> None:
            self._loop.forget(pidfd)
            os.close(pidfd)
            os.waitpid(pid, 0)
            self._lab.forget(reply)
            if channel is not None:
                channel.close()
            on_end()

        channel = Channel(self._loop, ours, lambda message: self._answer(message, reply), on_close=lambda: None)
        self._loop.watch(pidfd, ended)

    def _answer(self, message: Message, reply: Reply) -> None:
        args: dict[str, Any] = message.get("args", {})
        try:
            self._call(str(message.get("call")), args, reply)
        except LabError as error:
            reply({"error": {"kind": type(error).__name__, "what": error.what, "mend": error.mend}})
        except (KeyError, TypeError, ValueError, ArithmeticError, OSError, NetlinkError) as error:
            # one call that cannot be carried out must not end the lab
            reply({"error": {"kind": "UsageError", "what": f"{message.get('call')}: {error!r}", "mend": None}})

    def _call(self, call: str, args: dict[str, Any], reply: Reply) -> None:
        match call:
            case "wake":
                wake(args["time_ns"], bytes.fromhex(args["entropy"]))
                reply({"result": None})
            case "apply":
                self._lab.apply(args["plan"], args["keys"])
                reply({"result": None})
            case "report":
                self._lab.report(reply)
            case "watch":
                self._lab.watch(reply)
            case "events":
                self._lab.events(args["since"], args["follow"], reply)
            case "forget":
                self._lab.forget(reply)
                reply({"fence": args["fence"]})
            case "shutdown":
                self._lab.shutdown()
                reply({"result": None})
                self._loop.stop()
            case _:
                raise ValueError("no such call")

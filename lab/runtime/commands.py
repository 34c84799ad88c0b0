"""A command in a node, for a caller: output streamed, signals and terminal passed through, exit code handed back."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from lab.errors import UsageError
from lab.loop import Loop
from lab.runtime.caller import Caller, CallerGone
from lab.runtime.nodes import Nodes
from lab.substrate.killing import kill_all, session_members
from lab.wire.messages import Message

PIECE = 1 << 16
MOST_UNREAD_INPUT = 1 << 20
"""Bytes of input that may wait for the command; until it reads them the caller is not listened to."""

MOST_LEFT_OUTPUT = 1 << 20
"""Bytes that are passed on after a command's end: the most that a pipe holds (pipe(7)), far more than a terminal does.
A terminal hands over 4 KiB at once, so one read tells nothing of how much there is."""

COMMAND_NOT_FOUND = 127  # as shells have it
COMMAND_NOT_EXECUTABLE = 126


def run_command(caller: Caller, kind: Nodes, args: Message) -> Message:
    """Run `args["argv"]` in node `args["node"]` of lab `args["lab"]`, or beside the nodes when there is no node.

    With `args["tty"]` it gets a terminal of `args["rows"]` by `args["columns"]`. The caller may send
    {"input": base64}, {"input_end": true}, {"signal": "INT"}, {"resize": [rows, columns]}; it receives
    {"out": base64} and {"err": base64}. Returns {"exit": code}, 128 + n for a command killed by signal n.
    """
    lab, node, argv = args["lab"], args.get("node"), [str(word) for word in args["argv"]]
    if not argv:
        raise UsageError("there is no command to run", mend="name one after the node")
    substrate = kind.substrate_of(lab)
    if node is not None and node not in (found := substrate.find()):
        raise UsageError(f"lab {lab} has no node {node}", mend=f"nodes that exist: {', '.join(found) or 'none'}")
    enter = (lambda: substrate.enter_as_user(node)) if node else (lambda: None)
    running = _Running(caller, argv, enter, args)
    try:
        return {"exit": running.wait()}
    finally:
        running.end()


class _Running:
    def __init__(self, caller: Caller, argv: list[str], enter: Callable[[], None], args: Message) -> None:
        self._caller = caller
        self._gone: CallerGone | None = None
        self._loop = Loop(time.monotonic)
        self._unread = bytearray()
        self._input_ended = False
        self._exit: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        environment = os.environ | {"TERM": str(args.get("term", "dumb"))}
        if args.get("tty"):
            master, terminal = pty.openpty()
            self._resize(master, args["rows"], args["columns"])
            self._input = master
            self._outputs = {master: "out"}
            streams = (terminal, terminal, terminal)
        else:
            (child_in, self._input), (out, child_out), (err, child_err) = os.pipe(), os.pipe(), os.pipe()
            self._outputs = {out: "out", err: "err"}
            streams = (child_in, child_out, child_err)

        def become() -> None:
            if args.get("tty"):
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            enter()

        try:
            self._process = subprocess.Popen(
                argv, stdin=streams[0], stdout=streams[1], stderr=streams[2],
                env=environment, start_new_session=True, preexec_fn=become,  # noqa: PLW1509 - one thread
            )  # fmt: skip
        except FileNotFoundError:
            self._refuse(f"{argv[0]}: command not found\n", COMMAND_NOT_FOUND)
        except PermissionError:
            self._refuse(f"{argv[0]}: permission denied\n", COMMAND_NOT_EXECUTABLE)
        except OSError as error:
            self._refuse(f"{argv[0]}: {error.strerror}\n", COMMAND_NOT_EXECUTABLE)
        except subprocess.SubprocessError:  # of become(): the node went away just now
            self._refuse(f"{argv[0]}: the node cannot be entered\n", COMMAND_NOT_EXECUTABLE)
        finally:
            for stream in set(streams):
                os.close(stream)

    def wait(self) -> int:
        """Serve until the command has ended; its exit code. Raises CallerGone."""
        if self._process is None:
            assert self._exit is not None  # noqa: S101 - refused above
            return self._exit
        pidfd = os.pidfd_open(self._process.pid)
        os.set_blocking(self._input, False)
        hangup = select.epoll()  # tells of a caller's end also while nothing is taken from it
        hangup.register(self._caller.fileno(), 0)
        self._loop.watch(pidfd, self._ended)
        self._loop.watch(hangup.fileno(), lambda: self._leave(CallerGone()))
        self._loop.watch(self._caller.fileno(), self._listen)
        for output in self._outputs:
            self._loop.watch(output, lambda output=output: self._pass_on(output))  # type: ignore[misc]
        if self._caller.pending:
            self._listen()
        if self._gone is None:
            self._loop.run()
        os.close(pidfd)
        hangup.close()
        if self._gone is not None:
            raise self._gone
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def end(self) -> None:
        """Kill what is left of the command and its children, and close everything.

        After its normal end what put itself into a process group of its own may live on; when the caller is gone,
        or the terminal, nothing of it does.
        """
        if self._process is not None:
            leader = self._process.pid
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)
            if self._gone is not None or self._input in self._outputs:
                kill_all(lambda: session_members(leader))
            self._process.wait()
        for fileno in {self._input, *self._outputs}:
            with contextlib.suppress(OSError):  # closed already, after the end of the input
                os.close(fileno)
        self._loop.close()

    def _refuse(self, text: str, code: int) -> None:
        self._caller.send({"err": base64.b64encode(text.encode()).decode()})
        self._exit = code

    def _ended(self) -> None:
        """Pass on what is left in pipes or terminal. A child that lives on may write for ever: so much and no more."""
        for output in self._outputs:
            os.set_blocking(output, False)
            passed_on = 0
            while passed_on < MOST_LEFT_OUTPUT and (data := _read(output)):
                self._send(output, data)
                passed_on += len(data)
        self._loop.stop()

    def _pass_on(self, output: int) -> None:
        if data := _read(output):
            self._send(output, data)
        else:
            self._loop.forget(output)

    def _send(self, output: int, data: bytes) -> None:
        try:
            self._caller.send({self._outputs[output]: base64.b64encode(data).decode()})
        except CallerGone as gone:
            self._leave(gone)

    def _listen(self) -> None:
        try:
            for message in self._caller.receive():
                self._obey(message)
        except CallerGone as gone:
            self._leave(gone)

    def _leave(self, gone: CallerGone) -> None:
        self._gone = gone
        self._loop.stop()

    def _obey(self, message: Message) -> None:
        assert self._process is not None  # noqa: S101 - there is nobody to listen to before it runs
        if "input" in message and not self._input_ended:
            self._unread += base64.b64decode(message["input"])
            self._feed()
        if "input_end" in message:
            self._input_ended = True
            self._feed()
        if "signal" in message:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.Signals[f"SIG{message['signal']}"])
        if "resize" in message:
            self._resize(self._input, *message["resize"])

    def _feed(self) -> None:
        try:
            while self._unread:
                del self._unread[: os.write(self._input, self._unread)]
        except BlockingIOError:
            pass
        except OSError:  # the command reads no more
            self._unread.clear()
        if len(self._unread) > MOST_UNREAD_INPUT:
            self._loop.forget(self._caller.fileno())
        elif self._caller.fileno() not in self._loop.watched():
            self._loop.watch(self._caller.fileno(), self._listen)
        if self._unread:
            self._watch_input(self._feed)
        elif self._input_ended and self._input not in self._outputs:
            self._loop.forget(self._input)
            with contextlib.suppress(OSError):
                os.close(self._input)
        else:
            self._watch_input(None)

    def _watch_input(self, feed: Callable[[], None] | None) -> None:
        """Have `feed` called when the command can take more. A terminal is one descriptor for both directions."""
        if self._input in self._outputs:
            self._loop.watch(self._input, lambda: self._pass_on(self._input), feed)
        elif feed is None:
            self._loop.forget(self._input)
        else:
            self._loop.watch(self._input, lambda: None, feed)

    @staticmethod
    def _resize(terminal: int, rows: int, columns: int) -> None:
        with contextlib.suppress(OSError):  # not a terminal
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _read(output: int) -> bytes:
    """What is there to be read; nothing at the end, and where nothing is there yet."""
    try:
        return os.read(output, PIECE)
    except OSError:  # EIO: the last process has left the terminal; EAGAIN: one that lives on holds it open
        return b""

"""A command in a node as if it ran here: its input, output, signals, terminal and exit code.

Neither side may wait for the other with its hands full: while input is still to be sent, output has to be taken, or
a command that copies one to the other would stop both. So nothing here blocks but `poll`.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import select
import shutil
import signal
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from lab.wire.client import FIRST_NUDGE_S, LAST_NUDGE_S, Client, LabGone, error_of
from lab.wire.messages import NUDGE, LineReader, Message, encode

PIECE = 1 << 15
MOST_WAITING = 1 << 20
"""Bytes that may wait in either direction; beyond that the source is not read."""
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
PATIENCE = 3
"""The same signal this often ends the wait for a command that ignores it (chosen: nobody presses three times idly)."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The descriptors that stand for the command's own. `stdin` is None when it gets no input."""

    stdin: int | None = 0
    stdout: int = 1
    stderr: int = 2


class OutputClosed(Exception):
    """Nobody reads the command's output any more."""


class Interrupted(Exception):
    """A signal ended the wait; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def run_in_node(
    client: Client,
    lab: str,
    node: str | None,
    argv: list[str],
    *,
    terminal: bool = False,
    streams: Streams | None = None,
) -> int:
    """Run `argv` in a node, or beside the nodes without one, over these streams; the command's exit code.

    With `terminal` the command gets a terminal as large as ours, and ours passes every key on; it is put back as it
    was whatever happens. Raises LabGone, what the lab refuses, and OutputClosed.
    """
    streams = streams or Streams()
    args: Message = {"lab": lab, "node": node, "argv": argv, "tty": terminal, "term": os.environ.get("TERM", "dumb")}
    if terminal:
        args["rows"], args["columns"] = _size()
    with contextlib.ExitStack() as stack:
        if terminal and streams.stdin is not None and os.isatty(streams.stdin):
            stack.enter_context(_raw(streams.stdin))
        signals = stack.enter_context(_signals_as_bytes())
        return _Relay(client.connection, signals, streams, terminal=terminal).run({"call": "exec", "args": args})


class _Relay:
    """Moves bytes between our streams and one running command."""

    def __init__(self, connection: socket.socket, signals: socket.socket, streams: Streams, *, terminal: bool) -> None:
        self._connection = connection
        self._signals = signals
        self._stdin = streams.stdin
        self._terminal = terminal
        self._reader = LineReader()
        self._unsent = bytearray()
        self._outputs = {"out": streams.stdout, "err": streams.stderr}
        self._unwritten = {"out": bytearray(), "err": bytearray()}
        self._exit: int | None = None
        self._patience_s = FIRST_NUDGE_S
        self._patience = dict.fromkeys(FORWARDED, PATIENCE)
        connection.setblocking(False)

    def run(self, call: Message) -> int:
        self._send(call)
        if self._stdin is None:
            self._send({"input_end": True})
        while self._exit is None or any(self._unwritten.values()):
            poll = select.poll()
            for fileno, events in self._interests():
                poll.register(fileno, events)
            ready = poll.poll(self._patience_s * 1000)
            for fileno, _ in ready:
                self._serve(fileno)
            if ready:
                self._patience_s = FIRST_NUDGE_S
            elif not self._unsent:
                self._unsent += NUDGE
                self._patience_s = min(2 * self._patience_s, LAST_NUDGE_S)
        return self._exit

    def _interests(self) -> Iterator[tuple[int, int]]:
        yield self._signals.fileno(), select.POLLIN
        for name, data in self._unwritten.items():
            if data:
                yield self._outputs[name], select.POLLOUT
        if self._exit is None:
            listen = select.POLLIN if sum(map(len, self._unwritten.values())) < MOST_WAITING else 0
            speak = select.POLLOUT if self._unsent else 0
            if listen or speak:
                yield self._connection.fileno(), listen | speak
            if self._stdin is not None and len(self._unsent) < MOST_WAITING:
                yield self._stdin, select.POLLIN

    def _serve(self, fileno: int) -> None:
        """Do what a descriptor that is ready allows. One may stand for several streams: a terminal does."""
        for name, output in self._outputs.items():
            if output == fileno and self._unwritten[name]:
                self._write(output, self._unwritten[name])
        if fileno == self._signals.fileno():
            for number in self._signals.recv(PIECE):
                self._pass_on(number)
        elif fileno == self._connection.fileno():
            self._flush()
            self._receive()
        elif fileno == self._stdin:
            self._read_input(fileno)

    def _send(self, message: Message) -> None:
        self._unsent += encode(message)

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:  # what was received before the end is still to be read
            self._unsent.clear()

    def _receive(self) -> None:
        try:
            data = self._connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise LabGone("the lab went away while the command ran", mend="`vpnlab status` says what is left")
        for message in self._reader.feed(data):
            self._obey(message)

    def _obey(self, message: Message) -> None:
        for name in self._unwritten:
            if name in message:
                self._unwritten[name] += base64.b64decode(message[name])
        if "error" in message:
            raise error_of(message["error"])
        if "result" in message:
            self._exit = int(message["result"]["exit"])

    def _read_input(self, stdin: int) -> None:
        """Read what is there; a read from the background (EIO, with SIGTTIN ignored) ends the input."""
        try:
            data = os.read(stdin, PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EBADF):
                raise
            data = b""
        if data:
            self._send({"input": base64.b64encode(data).decode()})
        else:
            self._stdin = None
            self._send({"input_end": True})

    @staticmethod
    def _write(output: int, waiting: bytearray) -> None:
        """Write as much as a descriptor that is ready takes without waiting: PIPE_BUF bytes, says pipe(7)."""
        try:
            del waiting[: os.write(output, waiting[: select.PIPE_BUF])]
        except BlockingIOError:
            return
        except BrokenPipeError as error:
            raise OutputClosed from error

    def _pass_on(self, number: int) -> None:
        if number == signal.SIGWINCH:
            if self._terminal:
                self._send({"resize": list(_size())})
            return
        if number not in self._patience:
            return
        self._patience[signal.Signals(number)] -= 1
        if self._terminal or self._exit is not None or not self._patience[signal.Signals(number)]:
            raise Interrupted(number)  # an interactive shell ignores SIGTERM; our terminal's end is its end
        self._send({"signal": signal.Signals(number).name.removeprefix("SIG")})


@contextlib.contextmanager
def _signals_as_bytes() -> Iterator[socket.socket]:
    """A socket from which the numbers of signals can be read, in place of their usual effect, while the block runs."""
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    before = {number: signal.signal(number, _note) for number in (*FORWARDED, signal.SIGWINCH)}
    before[signal.SIGTTIN] = signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield receiver
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        receiver.close()
        sender.close()


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the signal's number is on the wakeup descriptor already."""


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Have the terminal pass every key on, and put it back."""
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal, termios.TCSADRAIN)  # what was typed already is not thrown away
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _size() -> tuple[int, int]:
    """Rows and columns of our terminal: that of the output, of the input, or the usual size."""
    for stream in (sys.__stdout__, sys.__stdin__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            size = os.get_terminal_size(stream.fileno())  # type: ignore[union-attr]
            return size.lines, size.columns
    size = shutil.get_terminal_size()
    return size.lines, size.columns

"""The caller's side: connect to a lab process, make calls, read streams."""

from __future__ import annotations

import math
import os
import secrets
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from lab import errors
from lab.locking import try_lock
from lab.wire.messages import NUDGE, PROTOCOL_VERSION, LineReader, Message, encode

FIRST_NUDGE_S = 0.1
LAST_NUDGE_S = 3.2
"""Seconds without an answer after which a machine is nudged: at first, doubling, and at most (chosen: a lost wake-up
costs a tenth of a second, a session that waits for hours next to nothing)."""


LOCK_AGAIN_S = 0.05
"""Seconds between two looks at the ports' locks while all are taken (chosen: a tenth of the shortest command)."""


class LabGone(errors.LabError):
    """The lab process, or the machine it runs in, is not there or went away."""


class Client:
    """One session with a lab process. Use it as a context manager."""

    def __init__(self, sock: socket.socket, lock: int | None = None) -> None:
        self._socket = sock
        self._lock = lock
        self._reader = LineReader()
        self._waiting: list[Message] = []
        self._taken = False
        self._sending = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor to wait on. `pending` may already hold messages."""
        return self._socket.fileno()

    @property
    def connection(self) -> socket.socket:
        """The socket itself, for whoever reads and writes it without waiting; nothing received must be pending."""
        return self._socket

    def close(self) -> None:
        """Hang up; what the session runs is ended."""
        self._socket.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def call(self, call: str, *, deadline_s: float, **args: Any) -> Any:  # noqa: ANN401 - JSON
        """Make a call and return its result. Raises the error that the other side names, or LabGone."""
        for message in self.stream(call, deadline_s=deadline_s, **args):
            if "result" in message:
                return message["result"]
        raise LabGone(f"{call}: the lab process sent no result")

    def stream(self, call: str, *, deadline_s: float | None, **args: Any) -> Iterator[Message]:  # noqa: ANN401
        """Make a call and give every message that comes back, the last one with "result".

        `deadline_s` bounds the wait for each message. Raises NotConverged when it passes.
        """
        self.send({"call": call, "args": args})
        while True:
            message = self.receive(deadline_s)
            if message is None:
                raise errors.NotConverged(f"{call}: no answer from the lab within {deadline_s:.0f} s")
            if "error" in message:
                raise error_of(message["error"])
            yield message
            if "result" in message:
                return

    def send(self, message: Message) -> None:
        """Send one message, such as a running command's input. Raises LabGone."""
        self._send(encode(message))

    def _send(self, data: bytes) -> None:
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError as error:
            raise LabGone(f"the lab went away: {error.strerror}", mend="`vpnlab status` says what is left") from error

    def start(self, call: str, *, deadline_s: float, **args: Any) -> None:  # noqa: ANN401 - JSON
        """Make a call that a session carries out (`exec`, `probe`). Returns once it is taken; `receive` has its news.

        What is merely sent may be kept on its way (lab.wire.messages.NUDGE) for as long as nobody waits for an answer.
        Raises NotConverged.
        """
        self._taken = False
        self.send({"call": call, "args": args})
        deadline = time.monotonic() + deadline_s
        while not self._taken:
            if not self._listen(deadline):
                raise errors.NotConverged(f"{call}: the lab has not taken it within {deadline_s:.0f} s")

    def receive(self, timeout_s: float | None) -> Message | None:
        """The next message, or None when none came in time. Raises LabGone at the end."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while not self._waiting:
            if not self._listen(deadline):
                return None
        return self._waiting.pop(0)

    def _listen(self, deadline: float) -> bool:
        """Wait for something to come, nudging, and take it in. False when nothing came in time."""
        patience_s = FIRST_NUDGE_S if self._lock is not None else math.inf
        while True:
            wait = min(patience_s, max(0.0, deadline - time.monotonic()))
            if select.select([self._socket], [], [], None if wait == math.inf else wait)[0]:
                break
            if time.monotonic() >= deadline:
                return False
            patience_s = min(2 * patience_s, LAST_NUDGE_S)
            self._nudge()
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise LabGone("the lab went away", mend="`vpnlab status` says what is left; `vpnlab up` mends it")
        for message in self._reader.feed(data):
            if "taken" in message:
                self._taken = True
            else:
                self._waiting.append(message)
        return True

    def _nudge(self) -> None:
        """Nudge, but never into the middle of a line that another thread is sending."""
        if not self._sending.acquire(blocking=False):
            return
        try:
            self._socket.send(NUDGE, socket.MSG_DONTWAIT)
        except OSError:  # full: there is plenty to look at; gone: the next read says so
            return
        finally:
            self._sending.release()

    def greet(self, deadline_s: float) -> None:
        """Say hello and drop what an earlier caller has left on the line.

        Raises LabGone without an answer, and for a lab that speaks as another version of the project does.
        """
        number = secrets.token_hex(8)
        self._send(b"\n")
        self.send({"hello": number, "version": PROTOCOL_VERSION})
        deadline = time.monotonic() + deadline_s
        while (left := deadline - time.monotonic()) > 0:
            message = self.receive(left)
            if message is not None and message.get("hello") == number:
                _check_version(message.get("version"))
                return
        raise LabGone(f"the lab process does not answer within {deadline_s:.0f} s")


def _check_version(spoken: object) -> None:
    if spoken != PROTOCOL_VERSION:
        raise LabGone(
            f"the lab was started by another version of vpnlab: it speaks version {spoken} of the protocol, "
            f"this command version {PROTOCOL_VERSION}",
            mend="`vpnlab up` starts the lab afresh, `vpnlab down` ends it; or use the version that started it",
        )


def error_of(error: Message) -> errors.LabError:
    """The exception that the other side's error stands for."""
    kinds = {k.__name__: k for k in (errors.LabSaysNo, errors.UsageError, errors.HostCannot, errors.NotConverged)}
    kind = kinds.get(str(error.get("kind")), errors.LabError)
    return kind(str(error.get("what")), mend=error.get("mend"))


def connect(sockets: tuple[Path, ...], *, exclusive: bool, deadline_s: float, free_s: float | None = None) -> Client:
    """Connect to one of `sockets` that is free, and say hello.

    `exclusive`: each socket takes one caller at a time (a machine's port), so each is guarded by a lock file beside
    it. The one that has been idle longest is taken: a guest may still be busy with the end of a port's last caller.
    Raises LabGone when nothing listens or nothing answers within `deadline_s`, UsageError when all are taken for so
    long, or for `free_s`.
    """
    path, lock = _free(sockets, free_s or deadline_s) if exclusive else (sockets[0], None)
    try:
        client = Client(_open(path), lock)
    except OSError as error:
        if lock is not None:
            os.close(lock)
        raise LabGone(f"nobody listens on {path}: {error.strerror}", mend="`vpnlab up` starts the lab again") from error
    try:
        client.greet(deadline_s)
    except BaseException:
        client.close()
        raise
    return client


def _free(sockets: tuple[Path, ...], deadline_s: float) -> tuple[Path, int]:
    """A socket whose lock can be had, and the lock. Most callers are gone in a moment, so this waits for one."""
    deadline = time.monotonic() + deadline_s
    while True:
        for path in sorted(sockets, key=_last_taken):
            try:
                lock = _take(path.with_suffix(".lock"))
            except FileNotFoundError as error:
                raise LabGone("the lab was taken down just now", mend="`vpnlab up` starts it again") from error
            if lock is not None:
                return path, lock
        if time.monotonic() > deadline:
            raise errors.UsageError(
                f"{len(sockets)} commands are talking to this lab already", mend="let one of them end, and try again"
            )
        time.sleep(LOCK_AGAIN_S)  # no event tells that one of several locks is free


def _take(lock: Path) -> int | None:
    fileno = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not try_lock(fileno):
        os.close(fileno)
        return None
    os.utime(fileno)
    return fileno


def _last_taken(path: Path) -> float:
    """When a socket's lock was taken last, as a time of the file system; 0 for never."""
    try:
        return path.with_suffix(".lock").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _open(path: Path) -> socket.socket:
    """Connect by way of the folder's descriptor: a socket's own path may not exceed 107 bytes, a folder's may."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock

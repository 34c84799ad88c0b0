"""ExaBGP's process: start it, talk to it, see it end, end it."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
from pathlib import Path

from bgp import daemon
from bgp.lines import Lines, TooLong

# Chosen: room for a thousand UPDATEs of a few prefixes, so that ExaBGP seldom waits for us.
# What Linux lets anyone have (/proc/sys/fs/pipe-max-size).
PIPE_SIZE = 1 << 20

# Chosen: what is read at one go, so that a peer that never stops cannot keep the caller's loop.
MOST_READ = 4 << 20


class ExaBgp:
    """One running ExaBGP, a child of this process.

    `fileno` is readable when there is something to do: lines to read, room for commands that had to
    wait, or the end of the process.
    """

    def __init__(self, configuration: Path, log_file: Path) -> None:
        commands, self._commands = os.pipe2(os.O_CLOEXEC)
        self._lines, lines = os.pipe2(os.O_CLOEXEC)
        for pipe in (commands, lines):
            _enlarge(pipe)
        os.set_blocking(self._commands, False)
        os.set_blocking(self._lines, False)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            daemon.run(parent, configuration, log_file, commands, lines)
        os.close(commands)
        os.close(lines)
        self._cut = Lines()
        self._waiting = bytearray()
        self._epoll = select.epoll()
        self._epoll.register(self._lines, select.EPOLLIN)
        self.ended = False

    def fileno(self) -> int:
        """Readable when `read` is due."""
        return self._epoll.fileno()

    def send(self, command: str) -> None:
        """Hand a command to the API; it goes out now or when there is room."""
        self._waiting += command.encode("ascii") + b"\n"
        self._flush()

    def read(self) -> list[bytes | TooLong]:
        """The lines that are there. Sets `ended` when ExaBGP has closed its end: it is gone."""
        self._flush()
        lines: list[bytes | TooLong] = []
        size = 0
        while size < MOST_READ and not self.ended:
            try:
                data = os.read(self._lines, PIPE_SIZE)
            except BlockingIOError:
                break
            self.ended = not data
            size += len(data)
            lines += self._cut.feed(data)
        return lines

    def end(self) -> str:
        """Kill it unless it has ended, reap it, and say in words how it ended.

        SIGKILL, as ExaBGP's own shutdown tells its peers no more than the closed connection does, and takes longer.
        """
        pid, status = _wait(self.pid, os.WNOHANG)
        if pid == 0:
            os.kill(self.pid, signal.SIGKILL)
            pid, status = _wait(self.pid, 0)
        self._epoll.close()
        os.close(self._commands)
        os.close(self._lines)
        if pid < 0:
            return "its exit status was taken by somebody else"
        code = os.waitstatus_to_exitcode(status)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _flush(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: os.write(self._commands, self._waiting[:PIPE_SIZE])]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self.ended = True
            self._waiting.clear()
        try:
            if self._waiting:
                self._epoll.register(self._commands, select.EPOLLOUT)
            else:
                self._epoll.unregister(self._commands)
        except FileExistsError:
            pass  # it waits for room already
        except FileNotFoundError:
            pass  # it did not have to wait


def _wait(pid: int, options: int) -> tuple[int, int]:
    try:
        return os.waitpid(pid, options)
    except ChildProcessError:
        return -1, 0


def _enlarge(pipe: int) -> None:
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except OSError as error:
        if error.errno != errno.EPERM:  # over the user's share: the usual 64 kB do as well
            raise

"""One charon process: started, watched, ended."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
from pathlib import Path

from endpoint.errors import EndpointError

CHARON = Path("/usr/sbin/charon-systemd")
PLUGIN_DIRECTORY = Path("/usr/lib/ipsec/plugins")

# How long charon may take to say goodbye to its peers before it is killed; it needs some
# milliseconds, in a guest without hardware virtualisation some tens.
END_WITHIN_S = 1.0
# sun_path holds 108 bytes (unix(7)); the sockets' names need ten of them.
_LONGEST_DIRECTORY = 96
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # proc(5): fields 14 and 15 of stat, counted behind the command's name
_ELSEWHERE = 0  # the pid of a process that this PID namespace does not hold


class Daemon:
    """A charon that was started here. Its death makes `pidfd` readable, its readiness `notify`."""

    def __init__(self, directory: Path) -> None:
        if not CHARON.exists():
            raise EndpointError(f"{CHARON} does not exist", mend="install the Debian package charon-systemd")
        if len(os.fsencode(directory)) > _LONGEST_DIRECTORY:
            raise EndpointError(
                f"the directory {directory} is too long for a unix socket in it",
                mend=f"use one of at most {_LONGEST_DIRECTORY} bytes",
            )
        self.ready = False
        self._ended: str | None = None
        end_leftover(directory / "vici")
        notify = directory / "notify"
        notify.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.notify.bind(str(notify))
        try:
            self.pid = _spawn(directory)
        except OSError:
            self.notify.close()
            raise
        self.pidfd = os.pidfd_open(self.pid)

    def check_ready(self) -> bool:
        """Read what charon told its (pretended) service manager; True from "READY=1" on."""
        try:
            while message := self.notify.recv(4096):
                self.ready = self.ready or b"READY=1" in message.splitlines()
        except BlockingIOError:
            pass
        return self.ready

    def ended(self, *, within_s: float = 0.0) -> str | None:
        """How charon ended, in words, or None while it runs. Reaps it."""
        if self._ended is None:
            if within_s > 0:
                _await_exit(self.pidfd, within_s)
            self._ended = self._reap(os.WNOHANG)
        return self._ended

    def end(self, *, politely: bool) -> str:
        """End charon, wait for it and say how it ended; politely means that it may send DELETEs first."""
        if self.ended() is None and politely:
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
        if self.ended(within_s=END_WITHIN_S if politely else 0.0) is None:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self._ended = self._reap(0)
        return self._ended or ""

    def close(self) -> None:
        """Give the descriptors back; only after the process was reaped."""
        os.close(self.pidfd)
        self.notify.close()

    def _reap(self, options: int) -> str | None:
        try:
            result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | options)
        except ChildProcessError:
            return "ended, and somebody else reaped it"
        if result is None:
            return None
        if result.si_code == os.CLD_EXITED:
            return f"exited with status {result.si_status}"
        return f"killed by {signal.Signals(result.si_status).name}"


def present_plugins(plugins: tuple[str, ...]) -> tuple[str, ...]:
    """Those plugins that this host has: Debian's releases divide the same features differently."""
    return tuple(plugin for plugin in plugins if (PLUGIN_DIRECTORY / f"libstrongswan-{plugin}.so").exists())


def processor_s(pid: int) -> float:
    """Seconds of a processor that a process and its threads have used; 0 when there is none of this number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and parentheses
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S


def end_leftover(vici: Path) -> None:
    """End a charon that still listens on this socket: its agent was killed and it was not.

    Raises EndpointError when it lives in another PID namespace and cannot be reached.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(vici))
        except OSError:
            return
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid = _CREDENTIALS.unpack(credentials)[0]
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        if pid != _ELSEWHERE and error.errno in (errno.ESRCH, errno.EINVAL):
            return  # gone meanwhile; Linux 6.12 says EINVAL where its process group or session lives on
        raise EndpointError(
            f"another charon listens on {vici} and cannot be ended: {error}", mend="end it, or use another directory"
        ) from error
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        _await_exit(pidfd, END_WITHIN_S)
    finally:
        os.close(pidfd)


def _await_exit(pidfd: int, within_s: float) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(within_s * 1000)


def _spawn(directory: Path) -> int:
    """Start charon so that it dies with this process; a large parent is not copied for it (vfork)."""
    environment = {
        "STRONGSWAN_CONF": str(directory / "strongswan.conf"),
        "NOTIFY_SOCKET": str(directory / "notify"),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    log = str(directory / "charon.log")
    return os.posix_spawn(
        "/usr/bin/setpriv",
        ["setpriv", "--pdeathsig", "KILL", str(CHARON)],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    )

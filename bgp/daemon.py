"""What ExaBGP's process does after it was forked. Runs in the child only and never returns.

ExaBGP is forked from a process that has its modules imported already, because starting Python anew
takes a second or two where the processor is emulated. So the steps of `exabgp server` are
taken here, with our settings in place of its environment file.

Its API is that of any ExaBGP: commands in, lines of JSON out, over the standard input and output of a program
that ExaBGP starts. As we are in its process already, no program is put in between: the place of
`subprocess.Popen` is taken by two pipes that lead straight to the speaker. That saves a fork and
an exec of a shell and two `cat` (or of socat) for each ExaBGP, leaves no third process to supervise or to be
killed separately, and makes the end of the pipe mean exactly that ExaBGP is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

# ExaBGP looks for a file of settings beside sys.argv[0] when it is imported. Ours are below.
os.environ.setdefault("EXABGP_ENVFILE", os.devnull)

from bgp.configuration import PREFIXES_A_LINE
from bgp.timers import Delay, HoldTimer, Keepalives

# isort: split
from exabgp.configuration.configuration import Configuration
from exabgp.environment import getenv
from exabgp.environment.environment import Env
from exabgp.logger import log
from exabgp.reactor import peer as peers
from exabgp.reactor.api.command.command import Command
from exabgp.reactor.asynchronous import ASYNC
from exabgp.reactor.loop import Reactor

PR_SET_PDEATHSIG = 1  # prctl(2)

# ExaBGP takes in this many prefixes from its API and then looks after its sessions, idling for as long as
# `reactor.speed` says. Its own 50 make 300 prefixes take 180 ms, and 10 000 8 s. Chosen: two lines of commands.
PREFIXES_A_TURN = 2 * PREFIXES_A_LINE

SETTINGS = {
    # An ExaBGP with a session still to come up wakes up after 1/100 of this many seconds. Chosen: measured natively,
    # 1.0 takes 0.7 % of a core and 40 ms to Established, 3.0 0.4 % and 90 ms, 10.0 0.2 % and 240 ms; where the
    # processor is emulated these shares are twenty times as large.
    "reactor.speed": "3.0",
    "daemon.drop": "false",
    "daemon.umask": "0077",
    "log.level": "INFO",
    "log.processes": "false",  # would write a line for each prefix announced
    "log.statistics": "false",
    "log.short": "false",
    "api.ack": "false",
    "api.cli": "false",
    "api.respawn": "false",
}


# How long ExaBGP sleeps once all its sessions are up and nothing happens. Chosen: a keepalive that is due a second
# after the last one (hold time 3 s) is late by no more than a fifth of a second.
SETTLED_MS = 200

ADMINISTRATIVE_SHUTDOWN = 2  # RFC 4486, a subcode of Cease

# Connections of sessions that were ceased, the last few. Chosen: more than a border gateway has tunnels.
PARTING: deque[socket.socket] = deque()
MOST_PARTING = 32

# A session is given so many turns to write its last message. Chosen: it takes three where the peer reads.
MOST_TURNS = 50


class ApiPipes:
    """The speaker's ends of the API, in the shape of the helper program that ExaBGP expects."""

    def __init__(self, commands: int, lines: int) -> None:
        self.pid = os.getppid()
        self.stdout = os.fdopen(commands, "rb")
        self.stdin = os.fdopen(lines, "wb")

    def poll(self) -> int | None:
        """None: it runs. It ends when the speaker does, and then so does this process."""
        return None

    def wait(self, timeout: float | None = None) -> int:  # noqa: ARG002 - the signature of Popen
        """It has ended."""
        return 0

    def terminate(self) -> None:
        """Nothing to end."""

    kill = terminate


class CalmReactor(Reactor):  # type: ignore[misc]
    """ExaBGP's main loop, which is woken by who connects instead of looking for it, once all sessions are up."""

    def _wait_for_io(self, sleeptime: int) -> Iterator[int]:
        """The descriptors with something to read, after `sleeptime` milliseconds at most, longer when all is calm."""
        if sleeptime == 0 or not self._is_settled():
            yield from super()._wait_for_io(sleeptime)
            return
        listening = {sock.fileno() for sock in self.listener._sockets}  # noqa: SLF001 - no other way to them
        for fileno in listening:
            self._poller.register(fileno, select.POLLIN)
        try:
            yield from [fileno for fileno in super()._wait_for_io(SETTLED_MS) if fileno not in listening]
        finally:
            for fileno in listening:
                self._poller.unregister(fileno)

    def _is_settled(self) -> bool:
        """Whether every session that is under way is established and there is nothing to send."""
        return (
            self.active_peers() <= self.established_peers()
            and self.asynchronous.ready()
            and not self._pending_adjribout()
        )


def run(parent: int, configuration: Path, log_file: Path, commands: int, lines: int) -> NoReturn:
    """Become ExaBGP. `commands` is read and `lines` written; no other descriptor is kept."""
    code = 1
    try:
        _die_with(parent)
        _forget_the_parent()
        _keep_only(commands, lines, log_file)
        code = _exabgp(configuration, log_file, ApiPipes(commands, lines))
    except BaseException:  # noqa: BLE001 - whatever it is, it must not unwind into the parent's frames
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we asked
        os._exit(0)


def _forget_the_parent() -> None:
    # What is collected in this process would close descriptors by numbers that ExaBGP uses by now.
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.setsid()
    logging.getLogger().handlers.clear()
    for name in [name for name in os.environ if name.startswith("exabgp")]:
        del os.environ[name]


def _keep_only(commands: int, lines: int, log_file: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = open(1, "w", closefd=False, buffering=1)  # noqa: SIM115 - a descriptor for the life of the process
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    low = 3
    for kept in (*sorted({commands, lines}), os.sysconf("SC_OPEN_MAX")):
        os.closerange(low, kept)
        low = kept + 1


def _exabgp(configuration: Path, log_file: Path, api: ApiPipes) -> int:
    env = getenv()
    settings = SETTINGS | {"daemon.user": pwd.getpwuid(os.getuid()).pw_name, "log.destination": str(log_file)}
    for section, options in Env.definition.items():
        for option, definition in options.items():
            env[section][option] = definition["read"](settings.get(f"{section}.{option}", definition["value"]))
    log.init(env)
    ASYNC.LIMIT = PREFIXES_A_TURN
    # setattr: a program is what this name starts everywhere else
    setattr(subprocess, "Popen", lambda *_, **__: api)  # noqa: B010
    setattr(peers, "ReceiveTimer", HoldTimer)  # noqa: B010
    setattr(peers, "KA", Keepalives)  # noqa: B010
    setattr(peers, "Delay", Delay)  # noqa: B010
    return int(CalmReactor(Configuration([str(configuration)])).run())


def reread(_api: object, reactor: Reactor, service: str, line: str, _use_json: bool) -> bool:
    """Our command of ExaBGP's API, `reread N`: read the configuration now and answer with the outcome.

    ExaBGP drops a SIGUSR1 (and its own command `reload`, which is the same) while it handles another signal or
    has routes still to send, says `done` before it has done anything, and says it also when the file is broken.
    This one is carried out in order with the other commands.
    """
    error = None if reactor.reload() else str(reactor.configuration.error) or "the configuration was refused"
    answer = {"type": "reread", "generation": int(line.rsplit(maxsplit=1)[-1]), "error": error}
    reactor.processes.write(service, json.dumps(answer))
    return True


def cease(_api: object, reactor: Reactor, _service: str, line: str, _use_json: bool) -> bool:
    """Our command of ExaBGP's API, `cease PEER`: end the session with a NOTIFICATION, and before the next command.

    A neighbor that is taken out of the configuration is only hung up on, and the API's `teardown` acts some turns
    later, when the neighbor may be gone. The connection is only shut, and stays open for what the peer still sends: a
    closed one would answer that with a reset, and a peer that is reset while it writes does not read why.
    """
    for key in reactor.established_peers():
        peer = reactor._peers[key]  # noqa: SLF001 - no other way to it
        if str(peer.neighbor["peer-address"]) == line.rsplit(maxsplit=1)[-1]:
            parting = peer.proto.connection.io.dup()
            peer.teardown(ADMINISTRATIVE_SHUTDOWN)
            for _ in range(MOST_TURNS):
                if peer.proto is None:
                    break
                peer.run()
            with contextlib.suppress(OSError):  # the peer has reset it
                parting.shutdown(socket.SHUT_WR)
            PARTING.append(parting)
            if len(PARTING) > MOST_PARTING:
                PARTING.popleft().close()
    return True


Command.register("cease", neighbor=False)(cease)
Command.register("reread", neighbor=False)(reread)

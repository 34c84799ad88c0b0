"""A command's streams, signals, terminal and exit code, against a real session over a socket."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from lab.control.exec import OutputClosed, Streams, run_in_node
from lab.runtime.child import become_child
from lab.runtime.session import run_session
from lab.wire.client import Client, LabGone

DEADLINE_S = 30.0
BIG = 5_000_000

RUN = """
import os, socket, sys
from lab.control.exec import Interrupted, run_in_node
from lab.wire.client import Client
sock = socket.socket(fileno=int(sys.argv[1]))
with Client(sock) as client:
    client.greet(20)
    try:
        code = run_in_node(client, "none", None, sys.argv[3:], terminal=sys.argv[2] == "tty")
    except Interrupted as signal:
        code = 128 + signal.number
sys.exit(code)
"""


@pytest.fixture
def session(tmp_path):
    """The caller's end of a session in a process of its own, whose commands run beside the nodes."""
    ours, theirs = socket.socketpair()
    lab, labs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        become_child({theirs.fileno(), labs.fileno()}, tmp_path / "log")
        run_session(theirs.fileno(), labs)
    theirs.close()
    labs.close()
    yield ours
    ours.close()
    lab.close()
    pidfd = os.pidfd_open(pid)
    ended, _, _ = select.select([pidfd], [], [], DEADLINE_S)
    os.close(pidfd)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert ended, "the session goes on"


def argv(session: socket.socket, *words: str, tty: bool = False) -> list[str]:
    return [sys.executable, "-c", RUN, str(session.fileno()), "tty" if tty else "-", *words]


def run(session: socket.socket, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        argv(session, *words), input=data, capture_output=True, pass_fds=[session.fileno()], timeout=DEADLINE_S,
        check=False,
    )  # fmt: skip


def start(session: socket.socket, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv(session, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[session.fileno()]
    )


def test_streams_stay_apart_and_the_exit_code_comes_through(session):
    done = run(session, "sh", "-c", "cat; echo err >&2; exit 7", data=b"\x00\xffin\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"\x00\xffin\n", b"err\n")


def test_large_input_that_comes_straight_back_blocks_neither_side(session):
    data = os.urandom(BIG)
    done = run(session, "cat", data=data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_input_may_be_a_file_and_output_too(session, tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(os.urandom(BIG))
    with source.open("rb") as stdin, copy.open("wb") as stdout:
        subprocess.run(argv(session, "cat"), stdin=stdin, stdout=stdout, pass_fds=[session.fileno()], check=True)
    assert copy.read_bytes() == source.read_bytes()


def test_a_command_that_reads_no_input_ends_all_the_same(session):
    assert run(session, "true", data=bytes(BIG)).returncode == 0


def test_a_command_that_is_not_there_is_127(session):
    done = run(session, "nosuchcommand")
    assert (done.returncode, done.stderr) == (127, b"nosuchcommand: command not found\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_command_and_its_answer_comes_back(session, number):
    name = number.name.removeprefix("SIG")
    running = start(session, "sh", "-c", f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.05; done")
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(number)
        assert running.stdout.read() == b"got\n"
    assert running.returncode == 9


def test_a_command_that_a_signal_kills_is_128_and_the_signal(session):
    with start(session, "sh", "-c", "echo ready; exec sleep 60") as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGTERM)
    assert running.returncode == 128 + signal.SIGTERM


def test_a_command_that_ignores_interrupts_is_left_at_the_third(session):
    running = start(session, "sh", "-c", "trap 'echo no' INT; echo ready; while :; do sleep 0.05; done")
    with running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        for _ in range(2):
            running.send_signal(signal.SIGINT)
            assert running.stdout.readline() == b"no\n"
        running.send_signal(signal.SIGINT)
    assert running.returncode == 128 + signal.SIGINT


@pytest.mark.parametrize("turn", range(3))
def test_what_a_command_said_last_on_its_terminal_is_not_lost(session, tmp_path, turn):
    """A terminal holds far more than it hands over at once; how much is left when the command has ended is a race."""
    said, heard = tmp_path / "said", tmp_path / "heard"
    said.write_bytes(b"".join(b"line %06d\n" % number for number in range(3_000 + turn)))
    with Client(session) as client, heard.open("wb") as out:
        client.greet(DEADLINE_S)
        streams = Streams(stdin=None, stdout=out.fileno())
        assert run_in_node(client, "none", None, ["cat", str(said)], terminal=True, streams=streams) == 0
    assert heard.read_bytes() == said.read_bytes().replace(b"\n", b"\r\n")


def test_output_that_nobody_reads_ends_the_command(session):
    reader, writer = os.pipe()
    os.close(reader)
    with Client(session) as client:
        client.greet(DEADLINE_S)
        with pytest.raises(OutputClosed):
            run_in_node(client, "none", None, ["yes"], streams=Streams(stdin=None, stdout=writer))
    os.close(writer)


def test_a_lab_that_goes_away_is_named():
    ours, theirs = socket.socketpair()
    theirs.close()
    with Client(ours) as client, pytest.raises(LabGone):
        run_in_node(client, "none", None, ["true"], streams=Streams(stdin=None))


class Terminal:
    """A terminal with a command on it, as a user has one."""

    def __init__(self, session: socket.socket, *words: str) -> None:
        self.master, terminal = pty.openpty()
        termios.tcsetwinsize(self.master, (30, 90))
        self.before = termios.tcgetattr(terminal)
        self.terminal = terminal
        self.running = subprocess.Popen(
            argv(session, *words, tty=True), stdin=terminal, stdout=terminal, stderr=terminal,
            pass_fds=[session.fileno()], start_new_session=True,
        )  # fmt: skip
        self.seen = b""

    def expect(self, text: bytes) -> None:
        until = time.monotonic() + DEADLINE_S
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.partition(text)[2]

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.running.kill()
        self.running.wait()
        os.close(self.master)
        os.close(self.terminal)


WAITING = 'import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print("wait" "ing", flush=True); signal.pause()'
"""Waits for a signal in the process that says so. A shell would fork in between, and lose an early Ctrl-C."""


def test_a_terminal_passes_keys_and_its_size_and_is_put_back(session):
    terminal = Terminal(session, "bash", "--norc", "--noprofile")
    try:
        terminal.type(b"stty size; test -t 0 && echo is a termi''nal\r")
        terminal.expect(b"30 90\r\n")
        terminal.expect(b"is a terminal\r\n")
        termios.tcsetwinsize(terminal.master, (40, 100))
        terminal.running.send_signal(signal.SIGWINCH)  # the kernel's way needs a controlling terminal
        terminal.type(b"until stty size | grep '40 1''00'; do :; done\r")
        terminal.expect(b"40 100\r\n")
        terminal.type(f"PS1=pro''mpt:; {sys.executable} -c '{WAITING}'\r".encode())
        terminal.expect(b"waiting\r\n")
        terminal.type(b"\x03")  # Ctrl-C goes to the command, not to vpnlab
        terminal.expect(b"prompt:")  # what is typed before that, bash may throw away
        terminal.type(b"echo ali''ve\r")
        terminal.expect(b"alive\r\n")
        terminal.type(b"exit 5\r")
        assert terminal.running.wait(DEADLINE_S) == 5
        assert termios.tcgetattr(terminal.terminal) == terminal.before
    finally:
        terminal.close()


def test_a_terminal_is_put_back_when_vpnlab_is_asked_to_end(session):
    terminal = Terminal(session, "sh", "-c", "trap '' TERM; echo rea''dy; while :; do sleep 0.05; done")
    try:
        terminal.expect(b"ready\r\n")
        assert termios.tcgetattr(terminal.terminal) != terminal.before
        terminal.running.send_signal(signal.SIGTERM)
        assert terminal.running.wait(DEADLINE_S) == 128 + signal.SIGTERM
        assert termios.tcgetattr(terminal.terminal) == terminal.before
    finally:
        terminal.close()


def test_no_process_of_a_command_outlives_its_caller(session, tmp_path):
    mark = tmp_path / "pid"
    with start(session, "sh", "-c", f"echo $$ > {mark}; echo ready; exec sleep 600") as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.kill()
    pid = int(mark.read_text())
    session.close()
    until = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            pidfd = os.pidfd_open(pid)
            select.select([pidfd], [], [], DEADLINE_S)
            os.close(pidfd)
    assert not Path(f"/proc/{pid}").exists()

"""A session in a process of its own, over a socket, without any lab behind it: commands run beside the nodes."""

from __future__ import annotations

import base64
import os
import select
import signal
import socket
import threading
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.runtime.child import become_child
from lab.runtime.session import run_session
from lab.wire.client import Client, error_of
from lab.wire.messages import PROTOCOL_VERSION, LineReader, encode

DEADLINE_S = 20.0

pytestmark = pytest.mark.timeout(60)


class Session:
    """The other ends of a session's two sockets: its caller's, and the lab process's."""

    def __init__(self, log: Path) -> None:
        caller, theirs = socket.socketpair()
        self.lab, labs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            become_child({theirs.fileno(), labs.fileno()}, log)
            run_session(theirs.fileno(), labs)
        theirs.close()
        labs.close()
        self.lab.settimeout(DEADLINE_S)
        self.lab_reader = LineReader()
        self.client = Client(caller)
        self.log = log

    def await_end(self) -> None:
        pidfd = os.pidfd_open(self.pid)
        ended, _, _ = select.select([pidfd], [], [], DEADLINE_S)
        os.close(pidfd)
        if not ended:
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.lab.close()
        assert ended, "the session goes on"

    def asked_of_lab(self):
        while True:
            for message in self.lab_reader.feed(self.lab.recv(65536)):
                return message

    def exec(self, *argv, stdin=b"", **args):
        """Everything in one go, as a caller may: the call, the input, its end. Returns (exit code, out, err)."""
        call = {"call": "exec", "args": {"lab": "none", "node": None, "argv": list(argv), **args}}
        messages = [call, {"input": base64.b64encode(stdin).decode()}, {"input_end": True}]
        sending = threading.Thread(target=lambda: [self.client.send(message) for message in messages])
        sending.start()
        out, err = bytearray(), bytearray()
        while True:
            message = self.client.receive(DEADLINE_S)
            assert message is not None
            if "error" in message:
                sending.join()
                raise error_of(message["error"])
            out += base64.b64decode(message.get("out", ""))
            err += base64.b64decode(message.get("err", ""))
            if "result" in message:
                sending.join()
                return message["result"]["exit"], bytes(out), bytes(err)


@pytest.fixture
def session(tmp_path):
    session = Session(tmp_path / "log")
    session.client.greet(DEADLINE_S)
    yield session
    session.client.close()
    session.await_end()
    assert not session.log.read_text()


def first_output(session):
    while True:  # a shell may first say on stderr that it has no terminal
        message = session.client.receive(DEADLINE_S)
        assert message is not None
        if "out" in message:
            return base64.b64decode(message["out"])


def gone(pid):
    """Whether a process that is no child of ours ends in time."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], DEADLINE_S)[0])
    finally:
        os.close(pidfd)


def test_a_command_that_says_nothing_is_known_to_have_been_taken(session):
    session.client.start("exec", deadline_s=DEADLINE_S, lab="none", node=None, argv=["cat"])
    assert session.client.receive(0) is None
    session.client.send({"input_end": True})
    assert session.client.receive(DEADLINE_S) == {"result": {"exit": 0}}


def test_output_errors_and_exit_code_come_back(session):
    assert session.exec("sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")


def test_a_command_killed_by_a_signal_exits_with_128_more(session):
    assert session.exec("sh", "-c", "kill -9 $$")[0] == 137


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        ("no-such-command", 127, b"not found"),
        ("/etc", 126, b"permission denied"),
        ("/etc/passwd/x", 126, b"Not a directory"),
    ],
)
def test_what_cannot_be_run_says_why(session, argv, code, said):
    exit_code, _, err = session.exec(argv)
    assert (exit_code, said in err) == (code, True), err


def test_a_file_that_is_no_program_says_so(session, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\0\0\0\0")
    program.chmod(0o755)
    assert session.exec(str(program)) == (126, b"", f"{program}: Exec format error\n".encode())


def test_large_input_and_output_at_once(session):
    data = os.urandom(5_000_000)
    assert session.exec("cat", stdin=data) == (0, data, b"")


def test_input_that_comes_in_one_go_with_the_call_reaches_the_command(session):
    for _ in range(20):
        assert session.exec("cat", stdin=b"x") == (0, b"x", b"")


def test_input_that_nobody_reads_does_no_harm(session):
    assert session.exec("true", stdin=bytes(300_000))[0] == 0
    assert session.exec("echo", "next") == (0, b"next\n", b"")


def test_a_background_child_that_writes_for_ever_does_not_hold_the_call_up(session):
    code, out, _ = session.exec("sh", "-c", "echo $$; setsid yes & exit 3")
    assert code == 3
    assert int(out.split()[0]) > 0


@pytest.mark.parametrize("args", [{"argv": []}, {"argv": ["a\0b"]}, {"argv": ["true"], "tty": True}, {"argv": None}])
def test_a_call_that_makes_no_sense_is_refused_and_the_session_lives(session, args):
    session.client.send({"call": "exec", "args": {"lab": "none", "node": None, **args}})
    message = session.client.receive(DEADLINE_S)
    assert isinstance(error_of(message["error"]), UsageError)
    assert session.exec("true")[0] == 0


def test_a_signal_is_passed_on(session):
    session.client.send(
        {"call": "exec", "args": {"lab": "none", "argv": ["sh", "-c", "trap 'exit 5' INT; echo ready; read x"]}}
    )
    assert first_output(session) == b"ready\n"
    session.client.send({"signal": "INT"})
    assert session.client.receive(DEADLINE_S) == {"result": {"exit": 5}}


def test_a_terminal_has_a_size_and_can_be_resized(session):
    script = "stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do read x; done"
    session.client.send(
        {"call": "exec", "args": {"lab": "n", "argv": ["sh", "-c", script], "tty": True, "rows": 10, "columns": 20}}
    )
    said = b""
    while b"ready" not in said:
        said += first_output(session)
    assert said.startswith(b"10 20\r\n")
    session.client.send({"resize": [30, 40]})
    said = b""
    while b"30 40" not in said:
        said += first_output(session)


@pytest.mark.parametrize(
    "script",
    [
        "echo $$; exec sleep 1000",
        "sleep 1000 & echo $!; wait",
        "set -m; sleep 1000 & echo $!; wait",  # in a process group of its own
        "echo $$; exec yes >&2",  # blocked by a caller that does not read
    ],
)
def test_what_a_killed_caller_ran_is_gone(tmp_path, script):
    session = Session(tmp_path / "log")
    session.client.greet(DEADLINE_S)
    session.client.send({"call": "exec", "args": {"lab": "none", "argv": ["sh", "-c", script]}})
    pid = int(first_output(session).split()[0])
    session.client.close()
    assert gone(pid)
    session.await_end()


def test_a_caller_killed_while_its_input_waits_ends_the_command(tmp_path):
    session = Session(tmp_path / "log")
    session.client.greet(DEADLINE_S)
    session.client.send({"call": "exec", "args": {"lab": "none", "argv": ["sh", "-c", "echo $$; exec sleep 1000"]}})
    pid = int(first_output(session))
    piece = {"input": base64.b64encode(bytes(1 << 16)).decode()}
    rest = encode(piece) * 100
    session.client.connection.setblocking(False)
    while rest and select.select([], [session.client], [], 1)[1]:  # until nothing is taken any more
        rest = rest[session.client.connection.send(rest) :]
    assert rest
    session.client.close()
    assert gone(pid)
    session.await_end()


def test_nothing_is_done_for_what_an_earlier_caller_left_on_the_line(tmp_path):
    session = Session(tmp_path / "log")
    mark = tmp_path / "mark"
    session.client.send({"call": "exec", "args": {"lab": "none", "argv": ["touch", str(mark)]}})
    session.client.greet(DEADLINE_S)
    assert session.exec("true")[0] == 0
    assert not mark.exists()
    session.client.close()
    session.await_end()


def test_a_new_caller_on_the_line_gets_no_answer_to_the_old_ones_call(tmp_path):
    session = Session(tmp_path / "log")
    session.client.greet(DEADLINE_S)
    session.client.send({"call": "report"})
    assert session.asked_of_lab()["call"] == "report"

    def lab_answers():
        assert session.asked_of_lab()["call"] == "forget"
        session.lab.sendall(encode({"result": "the old report"}) + encode({"fence": 1}))
        assert session.asked_of_lab()["call"] == "apply"
        session.lab.sendall(encode({"result": "applied"}))

    answering = threading.Thread(target=lab_answers)
    answering.start()
    session.client.greet(DEADLINE_S)
    assert session.client.call("apply", deadline_s=DEADLINE_S) == "applied"
    answering.join()
    session.client.close()
    session.await_end()


def test_a_session_ends_with_the_lab_process(tmp_path):
    session = Session(tmp_path / "log")
    session.client.greet(DEADLINE_S)
    session.client.send({"call": "report"})
    session.asked_of_lab()
    session.lab.close()
    session.await_end()
    session.client.close()


def test_each_hello_is_answered_once(session):
    for _ in range(2):
        assert session.exec("true")[0] == 0
    session.client.send({"hello": "again"})
    assert session.client.receive(DEADLINE_S) == {"hello": "again", "version": PROTOCOL_VERSION}
    session.client.send({"call": "exec", "args": {"lab": "none", "node": None, "argv": ["true"]}})
    assert session.client.receive(DEADLINE_S) == {"result": {"exit": 0}}

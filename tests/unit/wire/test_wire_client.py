"""The caller's side: hello, calls, ports that are taken."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from lab.errors import LabError, LabSaysNo, NotConverged, UsageError
from lab.wire.client import LabGone, connect
from lab.wire.messages import PROTOCOL_VERSION, LineReader, encode

DEADLINE_S = 10.0


class Server(threading.Thread):
    """Listens on one socket and answers each message with what `answers` makes of it."""

    def __init__(self, path, answers):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        self.answers = answers
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    self.serve(connection)

    def serve(self, connection):
        reader = LineReader()
        while data := connection.recv(65536):
            for message in reader.feed(data):
                for answer in self.answers(message):
                    connection.sendall(answer)

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(DEADLINE_S)


def polite(message):
    if "hello" in message:
        yield encode({"hello": message["hello"], "version": PROTOCOL_VERSION})
    elif message.get("call") == "refuse":
        yield encode({"error": {"kind": "LabSaysNo", "what": "no", "mend": "ask again"}})
    elif message.get("call") == "odd":
        yield encode({"error": {"kind": "Surprise", "what": "what?"}})
    elif message.get("call") == "stream":
        yield encode({"event": 1}) + encode({"event": 2}) + encode({"result": None})
    elif message.get("call") == "echo":
        yield encode({"result": message["args"]})


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(answers=polite, name="port0.sock"):
        servers.append(Server(tmp_path / name, answers))
        return tmp_path / name

    yield start
    for server in servers:
        server.end()


def test_a_call_returns_its_result_and_a_stream_all_messages(serve):
    with connect((serve(),), exclusive=False, deadline_s=DEADLINE_S) as client:
        assert client.call("echo", deadline_s=DEADLINE_S, a=1) == {"a": 1}
        assert list(client.stream("stream", deadline_s=DEADLINE_S)) == [{"event": 1}, {"event": 2}, {"result": None}]


def test_errors_of_the_other_side_are_raised_by_their_kind(serve):
    with connect((serve(),), exclusive=False, deadline_s=DEADLINE_S) as client:
        with pytest.raises(LabSaysNo, match="ask again"):
            client.call("refuse", deadline_s=DEADLINE_S)
        with pytest.raises(LabError, match="what"):
            client.call("odd", deadline_s=DEADLINE_S)


def test_what_an_earlier_caller_left_on_the_line_is_skipped(serve):
    def untidy(message):
        yield b'alf a line"}\n' + encode({"result": "old"}) + encode({"hello": "somebody else"})
        yield from polite(message)

    with connect((serve(untidy),), exclusive=False, deadline_s=DEADLINE_S) as client:
        assert client._waiting == []


def test_a_silent_lab_is_said_to_be_silent(serve):
    path = serve(lambda _: iter(()))
    with pytest.raises(LabGone, match="does not answer"):
        connect((path,), exclusive=True, deadline_s=0.1)
    with connect((serve(name="other.sock"),), exclusive=False, deadline_s=DEADLINE_S) as client:
        unanswered = pytest.raises(NotConverged, match="nothing: no answer")
        with unanswered:
            client.call("nothing", deadline_s=0.1)


@pytest.mark.parametrize("spoken", [{"version": PROTOCOL_VERSION - 1}, {}])
def test_a_lab_of_another_version_is_said_to_be_one(serve, spoken):
    path = serve(lambda message: iter([encode({"hello": message["hello"], **spoken})]))
    with pytest.raises(LabGone, match=r"another version of vpnlab(.|\n)*vpnlab up"):
        connect((path,), exclusive=False, deadline_s=DEADLINE_S)


def test_nobody_there_is_a_clear_error(tmp_path):
    with pytest.raises(LabGone, match=r"nobody listens(.|\n)*vpnlab up"):
        connect((tmp_path / "port0.sock",), exclusive=True, deadline_s=DEADLINE_S)
    with pytest.raises(LabGone, match="taken down"):
        connect((tmp_path / "gone" / "port0.sock",), exclusive=True, deadline_s=DEADLINE_S)


def test_each_port_takes_one_caller(serve):
    ports = tuple(serve(name=f"port{number}.sock") for number in range(2))
    with connect(ports, exclusive=True, deadline_s=DEADLINE_S) as one:
        with connect(ports, exclusive=True, deadline_s=DEADLINE_S) as two:
            assert one.call("echo", deadline_s=DEADLINE_S) == two.call("echo", deadline_s=DEADLINE_S) == {}
            with pytest.raises(UsageError, match="2 commands are talking"):
                connect(ports, exclusive=True, deadline_s=0.1)
        with connect(ports, exclusive=True, deadline_s=DEADLINE_S):
            pass


def test_a_caller_waits_for_a_port_that_becomes_free(serve):
    path = serve()
    first = connect((path,), exclusive=True, deadline_s=DEADLINE_S)
    releasing = threading.Timer(0.2, first.close)
    releasing.start()
    connect((path,), exclusive=True, deadline_s=DEADLINE_S).close()
    releasing.join()


def test_a_lab_that_ends_during_a_call_is_said_to_be_gone(serve):
    def ends(message):
        if "hello" not in message:
            raise OSError
        yield from polite(message)

    with connect((serve(ends),), exclusive=False, deadline_s=DEADLINE_S) as client, pytest.raises(LabGone):
        client.call("echo", deadline_s=DEADLINE_S)

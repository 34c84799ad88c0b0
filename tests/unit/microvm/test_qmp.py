import json
import socket
import threading
import time

import pytest

from lab.substrate.microvm.qmp import Qmp, QmpError

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 9}}}}


class FakeQemu:
    """Answers each line that comes with the next of the prepared answers, then hangs up."""

    def __init__(self, *answers):
        self.received = []
        self.socket, self._ours = socket.socketpair()
        self._answers = answers
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.socket.close()
        self._thread.join()

    def _serve(self):
        with self._ours, self._ours.makefile("rwb") as lines:
            self._say(lines, [GREETING])
            for answers in ([{"return": {}}], *self._answers):
                request = lines.readline()
                if not request:
                    return
                self.received.append(json.loads(request))
                self._say(lines, answers)

    @staticmethod
    def _say(lines, messages):
        lines.write(b"".join(json.dumps(message).encode() + b"\r\n" for message in messages))
        lines.flush()


def soon():
    return time.monotonic() + 5


def test_greeting_is_read_and_capabilities_are_negotiated():
    with FakeQemu() as qemu, Qmp(qemu.socket, deadline=soon()) as qmp:
        assert qmp.qemu_version == "7.2.9"
    assert qemu.received == [{"execute": "qmp_capabilities"}]


def test_a_command_returns_what_qemu_returned():
    with FakeQemu([{"return": {"status": "running"}}]) as qemu, Qmp(qemu.socket, deadline=soon()) as qmp:
        assert qmp.execute("query-status", {"all": True}, deadline=soon()) == {"status": "running"}
    assert qemu.received[1] == {"execute": "query-status", "arguments": {"all": True}}


def test_a_refused_command_says_why():
    with FakeQemu([{"error": {"class": "GenericError", "desc": "no such thing"}}]) as qemu:
        qmp = Qmp(qemu.socket, deadline=soon())
        with pytest.raises(QmpError, match="migrate: no such thing"):
            qmp.execute("migrate", deadline=soon())


def test_an_event_that_came_before_the_answer_is_not_lost():
    stopped = {"event": "STOP"}
    with FakeQemu([{"event": "OTHER"}, stopped, {"return": {}}]) as qemu, Qmp(qemu.socket, deadline=soon()) as qmp:
        qmp.execute("stop", deadline=soon())
        assert qmp.await_event("STOP", lambda event: event["event"] == "STOP", deadline=soon()) == stopped


def test_qemus_end_is_noticed_while_waiting():
    with FakeQemu([{"return": {}}]) as qemu, Qmp(qemu.socket, deadline=soon()) as qmp:
        qmp.execute("cont", deadline=soon())
        with pytest.raises(QmpError, match="the end: QEMU ended"):
            qmp.await_event("the end", lambda _: True, deadline=soon())


def test_silence_ends_at_the_deadline():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(QmpError, match="greeting: nothing from QEMU in time"):
        Qmp(ours, deadline=time.monotonic() + 0.05)


def test_a_deadline_that_has_passed_is_no_reason_to_wait():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(QmpError, match="in time"):
        Qmp(ours, deadline=time.monotonic() - 1)

"""A charon that hangs is told from one that is kept from the processor."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from contextlib import suppress

import pytest

from endpoint.control import Commands, DaemonSilentError
from endpoint.daemon import processor_s
from endpoint.patience import Limits, Patience

LIMITS = Limits(look_s=1.0, idle_s=10.0, longest_s=100.0)


class Machine:
    """A clock, and a process that works for a share of the time."""

    def __init__(self):
        self.now, self.worked = 1000.0, 0.0

    def patience(self):
        return Patience(LIMITS, lambda: self.worked, lambda: self.now)

    def looks_until_over(self, patience, *, step, work, most=1000):
        """How many looks, `step` seconds apart with `work` seconds of a processor each, are taken until it is over."""
        for look in range(1, most):
            self.now += step
            self.worked += work
            if patience.is_over():
                return look
        return None


@pytest.fixture
def machine():
    return Machine()


def test_one_that_does_nothing_hangs_after_its_idle_time(machine):
    assert machine.looks_until_over(machine.patience(), step=1.0, work=0.0) == 10


def test_one_that_works_is_waited_for_but_not_for_ever(machine):
    assert machine.looks_until_over(machine.patience(), step=1.0, work=0.02) == 100


def test_a_suspended_machine_costs_one_look(machine):
    patience = machine.patience()
    machine.now += 60.0
    assert not patience.is_over()
    assert machine.looks_until_over(patience, step=1.0, work=0.0) == 9


def test_one_that_answers_in_time_is_not_looked_at():
    looks = []
    patience = Patience(LIMITS, lambda: looks.append(1) or 0.0, lambda: 0.0)
    assert patience.next_look == LIMITS.look_s
    assert looks == []


def test_the_next_look_is_due_after_each(machine):
    patience = machine.patience()
    assert patience.next_look == machine.now + 1.0
    machine.now += 3.0
    patience.is_over()
    assert patience.next_look == machine.now + 1.0


def test_a_process_that_works_is_seen_to():
    before = processor_s(os.getpid())
    deadline = time.monotonic() + 30
    while processor_s(os.getpid()) == before:
        assert time.monotonic() < deadline, "no processor time in 30 s of work"


def test_no_process_has_done_nothing():
    assert processor_s(2**22 + 1) == 0.0


CONFIRMED, ANSWERED = b"\x05", b"\x01"


@pytest.fixture
def silent_charon(tmp_path):
    """A VICI socket that confirms an event, and answers a command when `may_answer` is set."""
    path, may_answer = tmp_path / "vici", threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve():
            connection, _ = listening.accept()
            with connection, suppress(BrokenPipeError):  # the caller may have given up
                for kind in (CONFIRMED, ANSWERED):
                    connection.recv(4096)
                    if kind == ANSWERED:
                        may_answer.wait()
                    connection.sendall(struct.pack("!I", 1) + kind)

        server = threading.Thread(target=serve)
        server.start()
        yield path, may_answer
        may_answer.set()
        server.join()


def test_a_command_waits_for_a_busy_charon(silent_charon):
    path, may_answer = silent_charon
    looks = []

    def works():
        looks.append(None)
        if len(looks) > 20:
            may_answer.set()
        return float(len(looks))

    limits = Limits(look_s=0.01, idle_s=0.02, longest_s=60.0)
    commands = Commands(path, lambda: Patience(limits, works, time.monotonic))
    assert commands.request("version") == {}
    assert len(looks) > 20
    commands.close()


def test_a_command_does_not_wait_for_one_that_hangs(silent_charon):
    path, _ = silent_charon
    limits = Limits(look_s=0.01, idle_s=0.02, longest_s=60.0)
    commands = Commands(path, lambda: Patience(limits, lambda: 0.0, time.monotonic))
    with pytest.raises(DaemonSilentError, match="does not answer"):
        commands.request("version")
    commands.close()

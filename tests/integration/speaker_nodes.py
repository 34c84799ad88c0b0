"""A speaker in a process and a network namespace of its own, for tests to steer and to look at."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing.connection
import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from bgp.path import Path as BgpPath
from bgp.plan import SpeakerPlan
from bgp.report import SessionReport, SpeakerReport
from bgp.sessions import SpeakerEvent
from bgp.speaker import Speaker

CLONE_NEWNET = 0x40000000
DEADLINE_S = 20.0


@dataclass(frozen=True)
class Seen:
    """What a speaker's process last told."""

    report: SpeakerReport
    routes: dict[IPv4Network, tuple[BgpPath, ...]]

    def session(self, name: str = "t1") -> SessionReport:
        return next(session for session in self.report.sessions if session.name == name)

    def established(self, name: str = "t1") -> bool:
        return any(session.name == name and session.state == "established" for session in self.report.sessions)


class Node:
    """A speaker in a process of its own inside a namespace; it tells what it sees after each step."""

    def __init__(self, namespace: str, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        self.directory = directory
        self.events: list[SpeakerEvent] = []
        self.seen: Seen | None = None
        self._pipe, childs = multiprocessing.connection.Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                self._pipe.close()
                _enter(namespace)
                _serve(childs, directory)
                code = 0
            finally:
                os._exit(code)
        childs.close()

    def apply(self, plan: SpeakerPlan) -> None:
        self._pipe.send(("apply", plan))

    def reset(self, name: str) -> None:
        self._pipe.send(("reset", name))

    def say(self, command: str) -> None:
        """A command for the API of this node's ExaBGP, behind the speaker's back."""
        self._pipe.send(("say", command))

    def until(self, what: str, holds: Callable[[Seen], bool], within_s: float = DEADLINE_S) -> Seen:
        deadline = time.monotonic() + within_s
        while self.seen is None or not holds(self.seen):
            left = deadline - time.monotonic()
            if left <= 0 or not self._pipe.poll(left):
                log = (self.directory / "exabgp.log").read_text()[-2000:]
                pytest.fail(f"waited {within_s} s for {what}; seen last: {str(self.seen)[:2000]}\n{self.events}\n{log}")
            self._take()
        return self.seen

    def settle(self, quiet_s: float) -> None:
        """Take in all that is told within this time."""
        deadline = time.monotonic() + quiet_s
        while self._pipe.poll(max(0.0, deadline - time.monotonic())):
            self._take()

    def stop(self) -> None:
        self._pipe.send(("stop", None))
        with contextlib.suppress(EOFError):
            while True:  # it may be waiting for room in the pipe
                self._take()
        _, status = os.waitpid(self.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0

    def texts(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.kind == kind]

    def _take(self) -> None:
        report, routes, events = self._pipe.recv()
        self.seen = Seen(report, routes)
        self.events += events


def _enter(namespace: str) -> None:
    with Path("/run/netns", namespace).open("rb") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def _serve(pipe: multiprocessing.connection.Connection, directory: Path) -> None:
    speaker = Speaker(directory, now=time.monotonic)
    plan = None
    while True:
        with selectors.DefaultSelector() as selector:
            for fileno in (pipe.fileno(), *speaker.filenos()):
                selector.register(fileno, selectors.EVENT_READ)
            due = speaker.restart_due()
            selector.select(None if due is None else max(0.0, due - time.monotonic()))
        if pipe.poll():
            verb, argument = pipe.recv()
            if verb == "stop":
                speaker.stop()
                return
            if verb == "apply":
                plan = argument
                speaker.apply(plan)
            elif verb == "reset":
                speaker.reset(argument)
            elif speaker._exabgp:
                speaker._exabgp.send(argument)
        events = speaker.process()
        due = speaker.restart_due()
        if plan is not None and due is not None and time.monotonic() >= due:
            speaker.apply(plan)
        pipe.send((speaker.report(), dict(speaker.routes()), events))

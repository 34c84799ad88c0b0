"""Real labs for tests: one that many tests share, and fresh ones for tests that destroy.

The labs run where `--substrate auto` puts them: directly on a host that can, otherwise in a guest;
VPNLAB_SUBSTRATE says otherwise. Their state lies in a directory of this test run.
"""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from there import python

from lab.control import record
from lab.control.computers import computer_of, why_no_docker
from lab.control.down import take_down
from lab.control.paths import lab_directory
from lab.control.status import Status, status_of
from lab.errors import HostCannot
from lab.plan.codec import from_json
from lab.plan.model import LabPlan
from lab.plan.report import LabEvent, LabReport, NodeStatus
from lab.substrate import pace
from lab.substrate.microvm.qemu import CONSOLE_LOG
from lab.wire.client import Client, error_of
from lab.wire.messages import Message

EXAMPLE = Path(__file__).parents[2] / "examples" / "ha.vpnlab.yaml"
PIECE = 1 << 16
CONSOLE_CHARACTERS = 20_000
VPNLAB = "from lab.cli.main import main; main()"


@dataclass(frozen=True)
class LiveLab:
    """A lab by name, as commands see it: every method asks anew."""

    name: str

    @property
    def directory(self) -> Path:
        """The lab's state on this host."""
        return lab_directory(self.name)

    @property
    def plan(self) -> LabPlan:
        plan = record.read_plan(self.name)
        assert plan is not None
        return plan

    @property
    def substrate(self) -> str:
        place = record.read_place(self.name)
        assert place is not None
        return place.substrate

    def vpnlab(self, *args: str, within_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run `vpnlab ARGS --name NAME` to its end. Deadlines of this class are for the reference host."""
        return subprocess.run(
            self.argv(*args), capture_output=True, text=True, timeout=within_s * pace.slowness(), check=False
        )

    def argv(self, *args: str) -> list[str]:
        """The command line of `vpnlab ARGS --name NAME`, to be started by the test itself. A verb may be two words."""
        return [sys.executable, "-c", VPNLAB, *args[0].split(), "--name", self.name, *args[1:]]

    def up(self) -> subprocess.CompletedProcess[str]:
        """Bring the reference topology up under this name; fails the test when it is not ready."""
        done = self.vpnlab("up", "-t", str(EXAMPLE), "-f", "json")
        assert done.returncode == 0, done.stderr
        return done

    def down(self) -> bool:
        return take_down(self.name)

    def session(self) -> AbstractContextManager[Client]:
        """A session with the lab process: `with lab.session() as client: client.call(...)`."""
        place = record.read_place(self.name)
        assert place is not None
        return computer_of(self.name, place).connect()

    def call(self, call: str, *, within_s: float = 20.0, **args: Any) -> Any:
        with self.session() as client:
            return client.call(call, deadline_s=within_s * pace.slowness(), **args)

    def status(self) -> Status:
        """A fresh report of all nodes, and what is lacking of readiness."""
        return status_of(self.name)

    def node(self, name: str) -> NodeStatus:
        return self.status().report.node(name)

    def exec(
        self, node: str | None, argv: Iterable[str], *, stdin: bytes = b"", within_s: float = 30.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command in a node, or beside the nodes (in the guest, where there is one) when `node` is None.

        `within_s` bounds the wait for each piece of output.
        """
        words = list(argv)
        code, out, err = None, bytearray(), bytearray()
        with self.session() as client:
            self.start_exec(client, node, words)
            feeding = threading.Thread(target=feed, args=(client, stdin))
            feeding.start()
            while code is None:
                message = client.receive(within_s * pace.slowness())
                assert message is not None, f"{words}: nothing after {within_s * pace.slowness():.0f} s"
                if "error" in message:
                    raise error_of(message["error"])
                out += base64.b64decode(message.get("out", ""))
                err += base64.b64decode(message.get("err", ""))
                code = message.get("result", {}).get("exit")
            feeding.join()
        return subprocess.CompletedProcess(words, code, bytes(out), bytes(err))

    def start_exec(self, client: Client, node: str | None, argv: Iterable[str], **args: Any) -> None:
        """Start a command in a session of the test's own; what comes back is for the test to receive."""
        within_s = 20 * pace.slowness()
        client.start("exec", deadline_s=within_s, lab=self.name, node=node, argv=list(argv), **args)

    def events(self, since: int = 0) -> tuple[LabEvent, ...]:
        """What has happened so far, above event number `since`."""
        with self.session() as client:
            found = client.stream("events", deadline_s=20 * pace.slowness(), since=since, follow=False)
            return tuple(from_json(LabEvent, message["event"]) for message in found if "event" in message)

    def last_event(self) -> int:
        return max((event.number for event in self.events()), default=0)

    def wait_for(self, predicate: Callable[[LabReport], object], what: str, *, within_s: float = 30.0) -> LabReport:
        """The first report for which `predicate` holds. Looks whenever a node has news, not by the clock.

        `within_s` holds for the reference host and is scaled by this one's slowness.
        """
        deadline = time.monotonic() + within_s * pace.slowness()
        with self.session() as client:
            report = from_json(LabReport, client.call("report", deadline_s=20 * pace.slowness()))
            client.send({"call": "watch"})
            while not predicate(report):
                message = client.receive(deadline - time.monotonic())
                assert message is not None, f"no {what} after {within_s * pace.slowness():.0f} s; last: {report}"
                report = updated(report, message)
        return report

    def wait_for_event(
        self, predicate: Callable[[LabEvent], object], what: str, *, since: int = 0, within_s: float = 30.0
    ) -> LabEvent:
        """The first event above number `since` for which `predicate` holds, of the past or to come."""
        deadline = time.monotonic() + within_s * pace.slowness()
        with self.session() as client:
            client.send({"call": "events", "args": {"since": since, "follow": True}})
            seen: list[LabEvent] = []
            while True:
                message = client.receive(deadline - time.monotonic())
                assert message is not None, f"no {what} after {within_s * pace.slowness():.0f} s; happened: {seen}"
                seen.append(from_json(LabEvent, message["event"]))
                if predicate(seen[-1]):
                    return seen[-1]


def feed(client: Client, data: bytes) -> None:
    """Send a command its whole input."""
    for start in range(0, len(data), PIECE):
        client.send({"input": base64.b64encode(data[start : start + PIECE]).decode()})
    client.send({"input_end": True})


def updated(report: LabReport, message: Message) -> LabReport:
    """The report with what a message of the watch brings."""
    if "lab" in message:
        return from_json(LabReport, message["lab"])
    news = from_json(NodeStatus, message["node"])
    return replace(report, nodes=tuple(news if node.name == news.name else node for node in report.nodes))


@pytest.fixture
def updated_report() -> Callable[[LabReport, Message], LabReport]:
    """What follows a watch: a report and a message give the next report."""
    return updated


@pytest.hookimpl(trylast=True)  # after pytest has put those together that share a parameter of the session
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the shared lab come last: its keepalives and dead peer detection take a quarter of a processor."""
    items.sort(key=lambda item: "running_lab" in getattr(item, "fixturenames", ()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test on a lab uses the substrate that `auto` takes; one marked `every_substrate` runs on containers, too."""
    if "substrate_of_lab" in metafunc.fixturenames:
        substrates = [pytest.param(None, id=pytest.HIDDEN_PARAM)]
        if metafunc.definition.get_closest_marker("every_substrate"):
            substrates.append(pytest.param("containers", marks=pytest.mark.containers))
        metafunc.parametrize("substrate_of_lab", substrates, indirect=True, scope="session")


@pytest.fixture(scope="session")
def substrate_of_lab(request: pytest.FixtureRequest) -> str | None:
    """What `--substrate` says when a lab comes up; None leaves that to VPNLAB_SUBSTRATE, or to auto."""
    if request.param is None:
        return None
    substrate: str = request.getfixturevalue("substrate_of_containers")
    if substrate == "docker" and os.environ.get("VPNLAB_SUBSTRATE", "auto") in ("auto", "docker"):
        pytest.skip("where this test runs without containers being asked for, this host's Docker has been used already")
    return substrate


@pytest.fixture(scope="session")
def substrate_of_containers() -> str:
    """The substrate of containers that this host can have."""
    return "docker" if why_no_docker() is None else "microvm-docker"


@pytest.fixture(scope="session")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """XDG_STATE_HOME of this test run, for this process and the commands that it starts."""
    before = os.environ.get("XDG_STATE_HOME")
    directory = tmp_path_factory.mktemp("state")
    os.environ["XDG_STATE_HOME"] = str(directory)
    yield directory
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


def a_name() -> str:
    """A name that no other lab of this host has, whoever else tests there."""
    return f"t{secrets.token_hex(3)}"


@contextmanager
def lab_that_ends(name: str) -> Iterator[LiveLab]:
    """A lab by this name that is taken down at the end, whatever became of it."""
    lab = LiveLab(name)
    try:
        yield lab
    finally:
        tell_of_a_panic(lab)
        lab.down()


def tell_of_a_panic(lab: LiveLab) -> None:
    """Print the whole trace of a guest's kernel that has panicked: messages have its first line alone."""
    console = lab.directory / CONSOLE_LOG
    said = console.read_text(errors="replace") if console.exists() else ""
    if "Kernel panic" in said:
        print(f"\n{lab.name}: {console.name}:\n{said[-CONSOLE_CHARACTERS:]}")  # noqa: T201 - shown with what failed


def bring_up_or_skip(lab: LiveLab, topology: Path = EXAMPLE, substrate: str | None = None) -> None:
    """Bring the lab up. Skips where this host can run none, with the name of what it lacks."""
    asked = ("--substrate", substrate) if substrate else ()
    done = lab.vpnlab("up", "-t", str(topology), *asked, within_s=600.0)  # the image may have to be built first
    if done.returncode == HostCannot.exit_code:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def running_lab(state_home: Path, substrate_of_lab: str | None) -> Iterator[LiveLab]:  # noqa: ARG001 - sets the environment
    """The reference lab, ready, with fast timers. Shared: leave it as you found it."""
    with lab_that_ends(a_name()) as lab:
        bring_up_or_skip(lab, substrate=substrate_of_lab)
        yield lab


@pytest.fixture(scope="session")
def python_there(running_lab: LiveLab) -> list[str]:
    """An interpreter beside the nodes of the shared lab that finds all of the project's modules.

    They are put into a guest once, for what imports them there compiles them.
    """
    return python(running_lab)


@pytest.fixture(scope="module")
def battered_lab(state_home: Path, substrate_of_lab: str | None) -> Iterator[LiveLab]:  # noqa: ARG001 - sets the environment
    """A lab that is ready, for the tests of one module to beat; each must wait until it is ready again."""
    with lab_that_ends(a_name()) as lab:
        bring_up_or_skip(lab, substrate=substrate_of_lab)
        yield lab


@pytest.fixture(scope="module")
def lab_of_module(state_home: Path) -> Iterator[LiveLab]:  # noqa: ARG001 - sets the environment
    """A name for a lab that was never up, for the tests of one module to start and to share."""
    with lab_that_ends(a_name()) as lab:
        yield lab


@pytest.fixture
def ready_lab(lab_of_module: LiveLab) -> LiveLab:
    """The module's lab, brought up where the tests before this one have not left it so."""
    bring_up_or_skip(lab_of_module)
    return lab_of_module


@pytest.fixture(scope="session")
def lab_of(state_home: Path) -> Callable[[Path], AbstractContextManager[LiveLab]]:  # noqa: ARG001 - sets the environment
    """Brings any topology up under a name of its own: `with lab_of(path) as lab`."""

    @contextmanager
    def brought_up(topology: Path) -> Iterator[LiveLab]:
        with lab_that_ends(a_name()) as lab:
            bring_up_or_skip(lab, topology)
            yield lab

    return brought_up

"""The computers that a lab can run on: a small machine of its own, or this host as it is.

Either way a lab process runs there and is reached through a unix socket; what differs is how it is started and ended.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from lab.control import record
from lab.control.paths import cache_home, lab_directory
from lab.control.record import Place
from lab.errors import HostCannot, LabError, UsageError
from lab.image import ensure
from lab.image.recipe import NodeKind
from lab.runtime import daemon
from lab.substrate import pace, process
from lab.substrate.contract import Substrate
from lab.substrate.docker_address import knock
from lab.substrate.microvm import accel, machine, qemu
from lab.wire.client import Client, LabGone, connect

GUEST_MEMORY_MIB = 512
"""Chosen: the reference lab uses 250 MiB of it, ten connections 400 MiB."""
DOCKER_GUEST_MEMORY_MIB = 2048
"""Chosen: Docker's data, 300 MiB, lie in memory, and each container has an interpreter of its own."""
DOCKER_BOOT_S = 180.0
"""Seconds for a boot in which Docker starts and builds the containers' image, on the reference host."""
GUEST_CPUS = 2
"""Chosen: two ends negotiate side by side; more cost time to boot and bring nothing under TCG."""
ANSWER_S = 5.0
"""Seconds for a lab process to say hello, on a host that is as quick as the reference (scaled by its slowness)."""


def guest_cpus() -> int:
    """How many processors a guest gets: no more than this process may run on (`taskset`, cpusets)."""
    return min(GUEST_CPUS, len(os.sched_getaffinity(0)))


class Computer(Protocol):
    """Where the lab process of one lab runs."""

    def start(self, reached: Callable[[str], None], doing: Callable[[str], None]) -> None:
        """Start the lab process, clearing away what an earlier one left. `reached` hears of phases."""

    def running(self) -> bool:
        """Whether it is there."""

    def connect(self, within_s: float | None = None) -> Client:
        """A session with the lab process. Raises LabGone when it does not answer in a few seconds, or in `within_s`."""

    def stop(self) -> None:
        """End it with everything of the lab; nothing to end is fine."""


class Microvm:
    """A QEMU guest for one lab, with namespaces or containers in it."""

    def __init__(self, name: str, nodes: NodeKind = "namespaces", *, use_snapshot: bool = True) -> None:
        self._name = name
        self._directory = lab_directory(name)
        self._nodes = nodes
        self._use_snapshot = use_snapshot

    def start(self, reached: Callable[[str], None], doing: Callable[[str], None]) -> None:
        """Restore the guest from its snapshot, or boot it; then set its clock and reseed its random numbers."""
        guest = ensure(doing, keep=record.images(), nodes=self._nodes)
        holds_docker = self._nodes == "containers"
        record.write_image(self._name, guest.key)
        reached("image")
        chosen = accel.choose(guest.kernel, cache_home(os.environ))
        machine.start(
            guest,
            self._directory,
            accel=chosen.name,
            memory_mib=DOCKER_GUEST_MEMORY_MIB if holds_docker else GUEST_MEMORY_MIB,
            cpus=guest_cpus(),
            use_snapshot=self._use_snapshot,
            progress=doing,
            boot_s=DOCKER_BOOT_S if holds_docker else machine.BOOT_S,
        )
        with self.connect() as client:
            client.call("wake", deadline_s=_answer_s(), time_ns=time.time_ns(), entropy=secrets.token_hex(64))
        reached("machine")

    def running(self) -> bool:
        """Whether the lab's QEMU runs and its guest has answered."""
        found = machine.find(self._directory)
        return found is not None and found.ready

    def connect(self, within_s: float | None = None) -> Client:
        """A session over a free port of the machine."""
        if machine.find(self._directory) is None:
            raise LabGone(
                f"lab {self._name}: its machine is gone; last: {machine.last_words(self._directory)}",
                mend="`vpnlab up` starts it again, `vpnlab down` clears it away",
            )
        numbers = (*range(1, qemu.PORTS), 0)  # port 0 has just been used by the start
        sockets = tuple(self._directory / qemu.PORT_SOCKET.format(number=number) for number in numbers)
        return connect(sockets, exclusive=True, free_s=_answer_s(), deadline_s=within_s or _answer_s())

    def stop(self) -> None:
        """End QEMU: with the machine goes everything in it."""
        if self._directory.exists():
            machine.clear(self._directory)


class ThisHost:
    """This host itself: nodes are namespaces or containers here, the lab process is a daemon. Needs root and XFRM.

    `program` is the module that the daemon is, `substrate_of` gives the nodes of a lab by its name.
    """

    def __init__(self, name: str, program: str, substrate_of: Callable[[str], Substrate]) -> None:
        self._name = name
        self._directory = lab_directory(name)
        self._program = program
        self._substrate_of = substrate_of

    def start(self, reached: Callable[[str], None], doing: Callable[[str], None]) -> None:
        """Start the daemon."""
        if os.geteuid() != 0:
            raise HostCannot("nodes on this host need root", mend="run as root, or use --substrate microvm")
        doing("starting the lab process")
        self.stop()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        daemon.start(self._directory, self._program)
        reached("machine")

    def running(self) -> bool:
        """Whether the daemon runs."""
        return daemon.find(self._directory) is not None

    def connect(self, within_s: float | None = None) -> Client:
        """A session with the daemon."""
        return connect((self._directory / daemon.SOCKET,), exclusive=False, deadline_s=within_s or _answer_s())

    def stop(self) -> None:
        """Ask the daemon to end the lab; where it cannot, kill it and remove the nodes."""
        with suppress(LabError), self.connect() as client:
            client.call("shutdown", deadline_s=_answer_s())
        self._kill_daemon()
        try:
            self._substrate_of(self._name).destroy()
        except HostCannot as error:
            raise HostCannot(
                f"the nodes of lab {self._name} cannot be removed: {error.what}",
                mend=f"mend that, then `vpnlab down --name {self._name}`; until then use another --name",
            ) from error
        daemon.remove_files(self._name)

    def _kill_daemon(self) -> None:
        found = daemon.find(self._directory)
        if found is not None:
            process.end(found, grace_s=0)


def computer_of(name: str, place: Place, *, use_snapshot: bool = True) -> Computer:
    """The computer on which a lab runs, or is to run. The one place where substrates are told apart."""
    match place.substrate:
        case "microvm":
            return Microvm(name, use_snapshot=use_snapshot)
        case "microvm-docker":
            return Microvm(name, "containers", use_snapshot=use_snapshot)
        case "netns":
            return ThisHost(name, "lab.runtime.serving", _netns)
        case "docker":
            return ThisHost(name, "lab.runtime.container_serving", _docker)
        case other:
            raise UsageError(f"there is no substrate {other}", mend=f"use auto, {', '.join(record.SUBSTRATES)}")


def _netns(name: str) -> Substrate:
    from lab.substrate.netns import Netns  # noqa: PLC0415 - pyroute2 costs every other command 0.1 s

    return Netns(name)


def _docker(name: str) -> Substrate:
    from lab.substrate.docker import Docker  # noqa: PLC0415 - Docker's SDK costs every other command 0.2 s

    return Docker(name)


def place_of(name: str) -> Place | None:
    """Where a lab was started: as remembered or, where that cannot be read, as found by looking; None if nowhere."""
    place = record.read_place(name)
    if place is None and name in record.names():
        guesses = (Place(substrate, "found there; its record was unreadable") for substrate in record.SUBSTRATES)
        place = next((guess for guess in guesses if computer_of(name, guess).running()), None)
    return place


def any_computer_of(name: str) -> tuple[Computer, ...]:
    """Every computer on which a lab could be, for one of which nobody knows any more where it runs."""
    return Microvm(name), *(computer_of(name, Place(substrate, "perhaps")) for substrate in _on_this_host())


def _on_this_host() -> tuple[str, ...]:
    """The substrates of this host itself that could hold a lab; where no daemon answers there are no containers."""
    try:
        knock()
    except HostCannot:
        return ("netns",)
    return ("netns", "docker")


def choose_place(wanted: str) -> Place:
    """Where a new lab is to run, and why: `wanted` is "auto" or a substrate's name.

    Raises HostCannot when containers or namespaces of this host are asked for and cannot be had.
    """
    if wanted in ("microvm", "microvm-docker"):
        return Place(wanted, "asked for")
    no_docker = why_no_docker() if wanted in ("auto", "docker") else None
    if wanted == "docker" and no_docker is not None:
        raise HostCannot(
            f"no lab can run in containers of this host: {no_docker.what}",
            mend=f"{no_docker.mend}; or use --substrate microvm-docker",
        )
    if wanted != "netns" and no_docker is None:
        return Place("docker", "root, Docker answers, and a container of this host can do all that is needed")
    obstacle = why_not_here()
    if obstacle is None:
        return Place("netns", "root, and this host's kernel has all that is needed")
    if wanted == "netns":
        raise HostCannot(f"no lab can run in namespaces of this host: {obstacle}", mend="use --substrate microvm")
    nor_docker = f"; nor will Docker: {no_docker.what}" if no_docker else ""
    return Place("microvm", f"namespaces of this host will not do: {obstacle}{nor_docker}")


def why_no_docker() -> HostCannot | None:
    """What keeps a lab from running in containers of this host, found by trying; None when nothing does."""
    if os.geteuid() != 0:
        return HostCannot("not root, which entering containers needs", mend="run as root")
    try:
        knock()
        from lab.substrate.docker_probe import try_docker  # noqa: PLC0415 - Docker's SDK costs every other command 0.2 s

        try_docker()
    except HostCannot as error:
        return error
    return None


def why_not_here() -> str | None:
    """What keeps a lab from running in namespaces of this host, found by trying; None when nothing does."""
    if os.geteuid() != 0:
        return "not root"
    from lab.substrate.probe import probe_kernel  # noqa: PLC0415 - most commands have no need to try the kernel

    for finding in probe_kernel():
        if not finding.works:
            return f"{finding.name} cannot be made ({finding.said})"
    missing = daemon.missing_programs()
    return f"not installed: {', '.join(missing)}" if missing else None


def _answer_s() -> float:
    return ANSWER_S * pace.slowness()

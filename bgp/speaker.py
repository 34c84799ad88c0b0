"""One BGP speaker: ExaBGP in a process of its own, and what is known from it."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path as FilePath

from bgp import configuration
from bgp.lines import TooLong
from bgp.messages import Garbled, Message, Reread, garbled, read_line
from bgp.path import Path
from bgp.plan import NeighborPlan, SpeakerPlan
from bgp.process import ExaBgp
from bgp.report import SpeakerReport
from bgp.sessions import Sessions, SpeakerEvent

# Chosen: ExaBGP is started again at once, except when it died within this time of its start; then it waits,
# twice as long each time.
STEADY_AFTER_S = 10.0
SHORTEST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """What ExaBGP was told to announce to a neighbor, and how often our AS is prepended there."""

    prefixes: frozenset[IPv4Network] = frozenset()
    prepend: int = 0


class Speaker:
    """Makes a SpeakerPlan so, as often as asked, and knows the routes that come of it.

    `directory` belongs to this speaker alone and exists. `now` is monotonic time, `wall` the time of day,
    both in seconds. To be used from one thread, inside the network namespace of the node.

    ExaBGP reads its configuration one version at a time and answers each (see bgp/daemon.py), in order with
    everything else. So it is known at every line whether it comes from a session that is still wanted.
    A neighbor that changed, was reset or was gone from the plan for a moment is taken out in one version and put
    in again in the next.
    """

    def __init__(self, directory: FilePath, *, now: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._configuration = directory / "exabgp.conf"
        self._log = directory / "exabgp.log"
        self._now = now
        self._plan: SpeakerPlan | None = None
        self._sessions = Sessions(wall)

        self._exabgp: ExaBgp | None = None
        self._started = 0.0
        self._restart_due: float | None = None
        self._deaths = 0
        self._early_deaths = 0
        self._last_exit: str | None = None

        # What ExaBGP has read, what it is reading, and which neighbors it must first be without.
        self._loaded: dict[str, NeighborPlan] = {}
        self._loading: dict[str, NeighborPlan] | None = None
        self._generation = 0
        self._afresh: set[str] = set()
        self._by_peer: dict[IPv4Address, str] = {}
        # What ExaBGP was told to announce to each neighbor that it has read.
        self._told: dict[str, Told] = {}

    def apply(self, plan: SpeakerPlan) -> None:
        """Make the plan so. A second call with the same plan changes nothing.

        Starts ExaBGP when it does not run and no restart is pending, has it read its configuration again
        when that changed, and tells it which prefixes came and went. A neighbor that is left out or not
        admin_up is not configured, and what it announced leaves the RIB now.
        """
        before, self._plan = self._plan, plan
        self._sessions.set_limit(plan.max_prefixes)
        if before is not None and (before.local_as, before.router_id) != (plan.local_as, plan.router_id):
            self._afresh.update(self._loaded, self._loading or ())
        if self._exabgp is None and (self._restart_due is None or self._now() >= self._restart_due):
            self._start(plan)
        self._converge()

    def reset(self, name: str, why: str = "the session was reset") -> None:
        """Drop this session at once, for example because the tunnel under it is gone.

        Its routes leave the RIB now, what still comes over it is ignored, and the neighbor starts afresh.
        """
        if name in self._sessions:
            self._sessions.down(name, "connect", why, is_cause=True)
            self._afresh.add(name)
            self._converge()

    def filenos(self) -> tuple[int, ...]:
        """What to watch for reading now."""
        return () if self._exabgp is None else (self._exabgp.fileno(),)

    def process(self) -> tuple[SpeakerEvent, ...]:
        """Read all that is there, without blocking; what happened since the last call."""
        if self._exabgp is not None:
            for line in self._exabgp.read():
                message = garbled(line.head, "the line is too long") if isinstance(line, TooLong) else read_line(line)
                if message is not None and self._exabgp is not None:
                    self._take(message)
        if self._exabgp is not None and self._exabgp.ended:
            self._died()
        self._sessions.tell_of_the_limit()
        for name in self._sessions.forgetful():
            self.reset(name, "asked for its routes again: not all had been kept, and there is room now")
        self._converge()
        return self._sessions.take_events()

    def routes(self) -> Mapping[IPv4Network, tuple[Path, ...]]:
        """The prefixes that are reachable and the paths to use for each; several are ECMP."""
        return self._sessions.routes()

    def report(self) -> SpeakerReport:
        """What is seen now."""
        return SpeakerReport(
            pid=self._exabgp.pid if self._exabgp else None,
            restarts=self._deaths,
            last_exit=self._last_exit,
            sessions=tuple(
                self._sessions.report(neighbor, self._told.get(neighbor.name, Told()).prefixes)
                for neighbor in (self._plan.neighbors if self._plan else ())
            ),
        )

    def restart_due(self) -> float | None:
        """When `apply` starts a dead ExaBGP again, in the time of `now`; None when none is dead."""
        return self._restart_due

    def stop(self) -> None:
        """End ExaBGP; no process is left."""
        if self._exabgp is not None:
            self._exabgp.end()
        self._forget_process()
        self._restart_due = None
        for name in self._sessions.names():
            self._sessions.down(name, "idle", "the speaker was stopped")

    # What ExaBGP is to have, against what it has

    def _converge(self) -> None:
        """Take the next step towards the plan."""
        if self._plan is None:
            return
        wanted = self._wanted(self._plan)
        if self._exabgp is None:
            for name in wanted:
                self._sessions.down(name, "idle", f"ExaBGP does not run: {self._last_exit}")
            return
        for name, neighbor in wanted.items():
            if self._sessions.state(name) in (None, "idle", "admin-down"):
                self._sessions.down(name, "connect", _awaits(neighbor))
        had = {**self._loaded, **(self._loading or {})}
        self._afresh |= {name for name in had if name not in wanted or not _same(had[name], wanted[name])}
        self._afresh &= had.keys()
        for name in self._afresh & wanted.keys():
            if self._sessions.state(name) == "established":
                self._sessions.down(name, "connect", "the neighbor is configured afresh", is_cause=True)
        if self._loading is not None:
            return
        step = {name: neighbor for name, neighbor in wanted.items() if name not in self._afresh}
        if step.keys() != self._loaded.keys():
            for name in self._loaded.keys() - step.keys():
                self._take_leave(self._exabgp, self._plan, self._loaded[name])
            self._write(self._plan, step)
            self._generation += 1
            self._loading = step
            self._exabgp.send(configuration.reread(self._generation))
        for name in step.keys() & self._loaded.keys():
            self._tell(self._exabgp, self._plan, step[name])

    def _wanted(self, plan: SpeakerPlan) -> dict[str, NeighborPlan]:
        """The neighbors that ExaBGP can be given now; the sessions of the others say why not."""
        for name in set(self._sessions.names()) - {neighbor.name for neighbor in plan.neighbors}:
            self._sessions.forget(name, "no longer planned")
        wanted = {}
        for neighbor in plan.neighbors:
            name = neighbor.name
            if not neighbor.admin_up:
                self._sessions.down(name, "admin-down", "administratively down")
                continue
            reason = configuration.reason_not_to_configure(plan, neighbor)
            if reason is None and name not in self._loaded:
                reason = _address_missing(neighbor.local_address)
            if reason is None:
                wanted[name] = neighbor
                continue
            if self._sessions.reason(name) != reason:
                self._sessions.happened(SpeakerEvent("refused", name, reason))
            self._sessions.down(name, "idle", reason, is_cause=True)
        return wanted

    @staticmethod
    def _take_leave(exabgp: ExaBgp, plan: SpeakerPlan, neighbor: NeighborPlan) -> None:
        """A session that is switched off ends with a word to the peer; one that is only made afresh does not."""
        if any(planned.name == neighbor.name and not planned.admin_up for planned in plan.neighbors):
            exabgp.send(configuration.cease(neighbor))

    def _has_read(self) -> None:
        """ExaBGP has the configuration that it was asked to read."""
        assert self._loading is not None  # noqa: S101 - the caller's condition, for the type checker
        for name in self._loaded.keys() - self._loading.keys():
            del self._told[name]
        self._set_loaded(self._loading)
        self._afresh &= self._loaded.keys()
        self._loading = None

    def _set_loaded(self, neighbors: dict[str, NeighborPlan]) -> None:
        self._loaded = neighbors
        self._by_peer = {neighbor.peer_address: name for name, neighbor in neighbors.items()}
        for name in neighbors:
            self._told.setdefault(name, Told())

    def _tell(self, exabgp: ExaBgp, plan: SpeakerPlan, neighbor: NeighborPlan) -> None:
        """Announce and withdraw by difference. After a lost session ExaBGP repeats what it was told."""
        told, wanted = self._told[neighbor.name], Told(frozenset(neighbor.announce), neighbor.prepend)
        for command in configuration.withdraw(neighbor, told.prefixes - wanted.prefixes):
            exabgp.send(command)
        known = told.prefixes if told.prepend == wanted.prepend else frozenset()  # another AS_PATH: all of it again
        for command in configuration.announce(plan, neighbor, wanted.prefixes - known):
            exabgp.send(command)
        self._told[neighbor.name] = wanted

    def _write(self, plan: SpeakerPlan, neighbors: Mapping[str, NeighborPlan]) -> None:
        draft = self._configuration.with_suffix(".new")
        draft.write_text(configuration.render(plan, tuple(neighbors.values())), encoding="ascii")
        draft.replace(self._configuration)

    # What ExaBGP says

    def _take(self, message: Message) -> None:
        if isinstance(message, Reread):
            self._take_reread(message)
            return
        name = self._by_peer.get(message.peer) if message.peer else None
        if isinstance(message, Garbled):
            self._sessions.happened(SpeakerEvent("garbled", name, f"a line of ExaBGP is not understood: {message.why}"))
            if name is not None:
                self.reset(name, f"a message of the peer is not understood: {message.why}")
            return
        if name is None or name in self._afresh:
            return  # the end of a session that is not wanted any more
        if self._plan is not None:
            self._sessions.take(self._plan, self._loaded[name], message)

    def _take_reread(self, message: Reread) -> None:
        if self._loading is None or message.generation != self._generation:
            return
        if message.error is None:
            self._has_read()
            self._converge()
        else:  # ours to mend: the file is rendered here. A new start reads it again.
            self._died(f"it refused its configuration: {message.error}")

    # The process

    def _start(self, plan: SpeakerPlan) -> None:
        neighbors = self._wanted(plan)
        self._write(plan, neighbors)
        self._exabgp = ExaBgp(self._configuration, self._log)
        self._set_loaded(neighbors)
        self._started, self._restart_due = self._now(), None
        again = f" again, after it died: {self._last_exit}" if self._deaths else ""
        self._sessions.happened(SpeakerEvent("started", None, f"ExaBGP has started{again}; PID {self._exabgp.pid}"))

    def _died(self, why: str | None = None) -> None:
        """It has ended by itself, or `why` it is ended now."""
        assert self._exabgp is not None  # noqa: S101 - the caller's condition
        ended = self._exabgp.end()
        self._last_exit = why or (f"{ended}: {_last_line(self._log)}" if ended.startswith("exit") else ended)
        self._forget_process()
        now = self._now()
        self._early_deaths = 0 if now - self._started >= STEADY_AFTER_S else self._early_deaths + 1
        doublings = self._early_deaths - 2
        wait_s = 0.0 if doublings < 0 else min(SHORTEST_WAIT_S * 2.0 ** min(doublings, 16), LONGEST_WAIT_S)
        self._restart_due = now + wait_s
        self._deaths += 1
        self._sessions.happened(SpeakerEvent("died", None, f"ExaBGP died: {self._last_exit}"))
        self._converge()

    def _forget_process(self) -> None:
        self._exabgp = None
        self._loading = None
        self._loaded = {}
        self._by_peer = {}
        self._told.clear()
        self._afresh.clear()


def _same(one: NeighborPlan, other: NeighborPlan) -> bool:
    """Whether a session of the one is a session of the other: they differ in what is announced at most."""
    one, other = (dataclasses.replace(neighbor, announce=(), prepend=0) for neighbor in (one, other))
    return one == other


def _awaits(neighbor: NeighborPlan) -> str:
    if neighbor.passive:
        return f"waiting for {neighbor.peer_address} to connect to port 179"
    return f"no TCP connection to {neighbor.peer_address} port 179 yet"


def _address_missing(address: IPv4Address) -> str | None:
    """Why ExaBGP could not listen there. It would refuse to start; so it is not asked to."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return f"the local address {address} is on no interface here"
            return f"the local address {address} cannot be used: {os.strerror(error.errno or 0)}"
    return None


def _last_line(log: FilePath) -> str:
    """The end of ExaBGP's log, which says why it gave up."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines: Iterable[str] = file.read().decode(errors="replace").split("\n")
    except OSError as error:
        return f"its log cannot be read: {error}"
    return next((line.strip() for line in reversed(list(lines)) if line.strip()), "its log is empty")

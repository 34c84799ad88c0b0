"""The endpoint: makes an EndpointPlan so, as often as asked, and reports what it sees."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from endpoint.charon import Charon
from endpoint.connections import ViciMessage, connection, shared_key
from endpoint.control import Commands, DaemonSilentError, Events, RefusedError
from endpoint.hand_over import HandOvers, silence_s
from endpoint.initiation import Attempt, initiates
from endpoint.plan import EndpointPlan, TunnelPlan
from endpoint.reasons import Reasons
from endpoint.report import EndpointEvent, EndpointReport, EventKind, TunnelReport, TunnelState
from endpoint.security_associations import TunnelSas, by_tunnel
from endpoint.settings import PLUGINS
from endpoint.shaping import apply_shapers
from endpoint.xfrm import apply_xfrm_interfaces, is_up

# `log` carries what no other event tells: why. The others say when to look.
_UPDOWNS = ("ike-updown", "child-updown")
_REKEYS: Mapping[str, EventKind] = {"ike-rekey": "ike-rekeyed", "child-rekey": "child-rekeyed"}
_EVENTS = (*_UPDOWNS, *_REKEYS, "log")
REASONS_AT_ONCE = 8
"""Reasons that attempts in vain may tell in turn, and that are told as events once, and not with each attempt (chosen:
what the peer proposes, the same with what is configured here, what the peer answers, and room to spare)."""


class Endpoint:
    """One charon, its tunnels and their XFRM interfaces, in the network namespace of this process.

    Single-threaded: wait for `filenos()` to be readable (they change with each call of another
    method), then call `process()`; while it `has_news`, and at `due()`, call `observe()`. Where charon is to be started
    again `apply()` does it. `now` is monotonic time, `wall` Unix time.
    What is known about tunnels is read from charon; what is kept in memory is only what
    charon cannot tell: what it was given, what it said last, since when.
    """

    def __init__(
        self,
        directory: Path,
        *,
        now: Callable[[], float],
        wall: Callable[[], float] = time.time,
        plugins: tuple[str, ...] = PLUGINS,
    ) -> None:
        self._charon = Charon(
            directory, _EVENTS, now=now, plugins=plugins, on_ready=self._is_ready, on_death=self._has_died
        )
        self._now = now
        self._wall = wall
        self._plan: EndpointPlan | None = None
        self._keys: dict[str, str] = {}
        self._loaded: dict[str, tuple[ViciMessage, ViciMessage | None]] = {}
        self._attempts: dict[str, Attempt] = {}
        self._reasons = Reasons()
        self._told: dict[str, deque[str]] = {}
        self._states: dict[str, tuple[TunnelState, float]] = {}
        self._hand_overs = HandOvers()
        self._happened: list[EndpointEvent] = []
        self._has_news = True

    def start(self, plan: EndpointPlan) -> None:
        """Start charon when it does not run, ahead of `apply`: it needs neither keys nor interfaces to get ready.

        Raises EndpointError where this node lacks something.
        """
        self._plan = plan
        self._charon.ensure(plan.retransmission)

    def apply(self, plan: EndpointPlan, keys: Mapping[str, str]) -> None:
        """Make it so, by difference; returns without waiting for negotiations.

        `keys` are the pre-shared keys by tunnel name. A tunnel whose parameters or key changed is
        negotiated anew, the others are left alone; a tunnel that is administratively down
        loses its traffic first, then its SAs, and its peer is answered as a stranger.
        Raises EndpointError where this node lacks something.
        """
        self._plan, self._keys = plan, dict(keys)
        self._charon.ensure(plan.retransmission)
        apply_xfrm_interfaces(plan.tunnels)
        try:
            apply_shapers({tunnel.interface: tunnel.bandwidth_bps for tunnel in plan.tunnels if tunnel.bandwidth_bps})
        finally:  # a tunnel whose bandwidth cannot be bounded is negotiated all the same, and its plan tried again
            self._converge()

    def filenos(self) -> tuple[int, ...]:
        """Descriptors to watch for reading."""
        return self._charon.filenos()

    def process(self) -> tuple[EndpointEvent, ...]:
        """Handle what is readable, without blocking; what happened since the last call."""
        events = self._charon.process()
        if events is not None:
            self._hear(events)
        happened, self._happened = tuple(self._happened), []
        return happened

    @property
    def has_news(self) -> bool:
        """Whether something was heard since `observe` was called last that may change what it says."""
        return self._has_news

    def observe(self) -> EndpointReport:
        """What charon and the kernel say now, after starting the negotiations that this asks for."""
        found = self._look()
        self._has_news = False
        if self._plan is not None:
            self._steer(self._plan, found)
        if self._charon.commands is None:  # lost just now
            found = {}
        return EndpointReport(
            pid=self._charon.pid,
            restarts=self._charon.restarts,
            last_exit=self._charon.last_exit,
            tunnels=tuple(
                self._report(tunnel, found.get(tunnel.name)) for tunnel in (self._plan.tunnels if self._plan else ())
            ),
        )

    @property
    def lacks_charon(self) -> bool:
        """Whether charon does not run or is long in starting, and `apply` wants to be called for that."""
        due = self._charon.due() if self._plan is not None else None
        return due is not None and due <= self._now()

    def due(self) -> float | None:
        """The monotonic time at which `observe`, or `apply`, wants to be called again, None for no wish."""
        if self._happened:
            return self._now()
        if self._plan is None:
            return None
        charon_due = self._charon.due()
        if charon_due is not None:
            return charon_due
        wishes = [attempt.not_before for attempt in self._attempts.values()]
        return min([*wishes, *self._hand_overs.due()], default=None)

    def stop(self) -> None:
        """End charon, reap it and flush this namespace's XFRM state; a later `apply` starts afresh."""
        self._plan = None
        self._loaded.clear()
        self._attempts.clear()
        self._charon.stop()

    def _is_ready(self) -> None:
        self._happen("daemon-started", None, "charon is ready")
        self._converge()

    def _has_died(self, how: str) -> None:
        self._loaded.clear()
        self._attempts.clear()
        self._happen("daemon-died", None, f"charon {how}")
        self._note_states({})

    def _converge(self) -> None:
        """Give charon what changed, end what should not be, start what should."""
        if self._charon.commands is None or self._plan is None:
            return
        try:
            self._load(self._charon.commands, self._plan)
        except DaemonSilentError as error:
            self._charon.lose(str(error))
            return
        self._steer(self._plan, self._look())

    def _load(self, commands: Commands, plan: EndpointPlan) -> None:
        wanted = {
            tunnel.name: (
                connection(tunnel),
                shared_key(tunnel, self._keys[tunnel.name]) if tunnel.name in self._keys else None,
            )
            for tunnel in plan.tunnels
            if tunnel.admin_up
        }
        for name in [name for name, given in self._loaded.items() if wanted.get(name) != given]:
            self._ask(commands, "unload-conn", {"name": name})
            self._ask(commands, "unload-shared", {"id": name})
            self._terminate(commands, name)
            self._forget(name)
        for name, given in wanted.items():
            if name in self._loaded:
                continue
            conn, key = given
            refusal = self._ask(commands, "load-shared", key) if key else None
            refusal = refusal or self._ask(commands, "load-conn", conn)
            if refusal:
                self._reasons.last[name] = f"charon refuses the tunnel: {refusal}"
            self._loaded[name] = given

    def _steer(self, plan: EndpointPlan, found: Mapping[str, TunnelSas]) -> None:
        """End what should not be, start what should, as far as charon can be asked."""
        if self._charon.commands is None:
            return
        try:
            self._initiate(self._charon.commands, plan, found)
        except DaemonSilentError as error:
            self._charon.lose(str(error))

    def _initiate(self, commands: Commands, plan: EndpointPlan, found: Mapping[str, TunnelSas]) -> None:
        for name in found.keys() - self._loaded.keys():
            self._terminate(commands, name)
        for tunnel in plan.tunnels:
            if tunnel.name not in self._loaded:
                continue
            attempt = self._attempts.pop(tunnel.name, Attempt())
            start, remembered = initiates(tunnel, found.get(tunnel.name), attempt, self._now())
            if remembered is not None:
                self._attempts[tunnel.name] = remembered
            if start:
                refusal = self._ask(
                    commands, "initiate", {"ike": tunnel.name, "child": tunnel.name, "timeout": "-1"}
                )  # -1: do not wait for the outcome
                if refusal:
                    self._reasons.last.setdefault(tunnel.name, refusal)

    def _terminate(self, commands: Commands, name: str) -> None:
        """Send DELETE and forget the SAs at once; without waiting charon always answers "none found"."""
        self._ask(commands, "terminate", {"ike": name, "timeout": "-1", "force": "yes"})

    def _ask(self, commands: Commands, command: str, message: ViciMessage | None) -> str | None:
        """A command; what charon has against it, or None."""
        try:
            commands.request(command, message)
        except RefusedError as error:
            return str(error)
        return None

    def _forget(self, name: str) -> None:
        del self._loaded[name]
        self._attempts.pop(name, None)
        self._reasons.last.pop(name, None)
        self._told.pop(name, None)

    def _hear(self, events: Events) -> None:
        try:
            for name, message in events.take():
                if name == "log":
                    self._hear_log(message)
                    continue
                self._has_news = True
                for tunnel in self._tunnels_in(message) if name in _REKEYS else ():
                    self._happen(_REKEYS[name], tunnel.name, f"{name.partition('-')[0]} SA rekeyed")
        except DaemonSilentError as error:
            self._charon.lose(str(error))

    def _hear_log(self, message: Mapping[str, Any]) -> None:
        tunnels = self._plan.tunnels if self._plan else ()
        for name in self._reasons.hear(message, tunnels):
            reason = self._reasons.last[name]
            told = self._told.setdefault(name, deque(maxlen=REASONS_AT_ONCE))
            if self._states.get(name, ("down", 0.0))[0] != "up" and reason not in told:
                told.append(reason)
                self._happen("negotiation-failed", name, reason)

    def _tunnels_in(self, message: Mapping[str, Any]) -> list[TunnelPlan]:
        return [tunnel for tunnel in (self._plan.tunnels if self._plan else ()) if tunnel.name in message]

    def _look(self) -> dict[str, TunnelSas]:
        """The SAs by tunnel, fresh; notes changes of state on the way."""
        found: dict[str, TunnelSas] = {}
        if self._charon.commands is not None:
            try:
                found = by_tunnel(self._charon.commands.list_sas())
            except DaemonSilentError as error:
                self._charon.lose(str(error))
                return found
        self._note_states(found)
        for name in self._hand_overs.replaced(found):
            self._happen("ike-rekeyed", name, "IKE SA negotiated anew")
        return found

    def _note_states(self, found: Mapping[str, TunnelSas]) -> None:
        tunnels = self._plan.tunnels if self._plan else ()
        for tunnel in tunnels:
            before = self._states.get(tunnel.name)
            state = self._state(tunnel, found.get(tunnel.name), was_up=before is not None and before[0] == "up")
            if before is not None and before[0] == state:
                continue
            self._states[tunnel.name] = state, self._wall()
            if state == "up":
                self._reasons.last.pop(tunnel.name, None)
                self._told.pop(tunnel.name, None)
                self._happen("tunnel-up", tunnel.name, "child SA installed and interface up")
            elif before is not None and before[0] == "up":
                self._happen("tunnel-down", tunnel.name, self._reason(tunnel, state, found.get(tunnel.name)))
        for name in self._states.keys() - {tunnel.name for tunnel in tunnels}:
            del self._states[name]
            self._hand_overs.forget(name)

    def _state(self, tunnel: TunnelPlan, sas: TunnelSas | None, *, was_up: bool) -> TunnelState:
        patience_s = silence_s(self._plan.retransmission) if self._plan else 0.0
        verdict = self._hand_overs.verdict(tunnel.name, sas, was_up=was_up, now=self._now(), patience_s=patience_s)
        if verdict == "lost" and tunnel.admin_up:
            return "negotiating"
        return "up" if verdict == "still up" and tunnel.admin_up else _state(tunnel, sas)

    def _report(self, tunnel: TunnelPlan, sas: TunnelSas | None) -> TunnelReport:
        state, since = self._states[tunnel.name]
        return TunnelReport(
            name=tunnel.name,
            interface=tunnel.interface,
            state=state,
            since=since,
            reason=None if state == "up" else self._reason(tunnel, state, sas),
            ike=sas.ike if sas else None,
            child=sas.child if sas else None,
        )

    def _reason(self, tunnel: TunnelPlan, state: TunnelState, sas: TunnelSas | None) -> str:
        if state == "admin-down":
            return "administratively down"
        why_silent = self._charon.why_silent
        if why_silent is not None:
            return why_silent
        if sas is not None and sas.carrying and not sas.replacing:
            return f"the interface {tunnel.interface} is down"
        child = "its child SA hangs on it" if sas is not None and sas.replacing else "no child SA"
        ike = f"IKE SA {sas.ike.state}, {child}" if sas is not None else "no IKE SA"
        last = self._reasons.last.get(tunnel.name)
        if last is None and not tunnel.initiate and sas is None:
            last = "the peer has not asked for it"
        return f"{ike}; last: {last}" if last else ike

    def _happen(self, kind: EventKind, tunnel: str | None, text: str) -> None:
        self._has_news = True
        self._happened.append(EndpointEvent(kind, tunnel, text))


def _state(tunnel: TunnelPlan, sas: TunnelSas | None) -> TunnelState:
    if not tunnel.admin_up:
        return "admin-down"
    if sas is None:
        return "down"
    if sas.carrying:
        return "up" if not tunnel.if_id or is_up(tunnel.interface) else "down"
    return "negotiating" if sas.busy else "down"

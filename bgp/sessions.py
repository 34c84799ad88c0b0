"""The sessions with a speaker's neighbors as last seen, and the routes that came over them.

What ExaBGP says of a session is taken in here; what ExaBGP is to be told is decided in bgp/speaker.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Literal

from bgp import import_policy
from bgp.messages import Connected, EndOfRib, Established, Lost, Message, Notified, Update
from bgp.path import Path
from bgp.plan import NeighborPlan, SpeakerPlan
from bgp.report import RefusedPrefix, SessionReport, SessionState
from bgp.rib import Rib

# Chosen: a report shows this many refused prefixes of a neighbor and counts the rest.
SHOWN_REFUSED = 20

# Chosen: so many different reasons of refusals are events, in one session; a peer cannot fill a log.
TOLD_REASONS = 10

EventKind = Literal["established", "lost", "route-refused", "refused", "garbled", "started", "died"]


@dataclass(frozen=True, slots=True)
class SpeakerEvent:
    """Something that happened, in words. `neighbor` is None where it concerns the whole speaker.

    "refused": the neighbor cannot be configured. "started": ExaBGP was started, for the first time or again.
    """

    kind: EventKind
    neighbor: str | None
    text: str


@dataclass(slots=True)
class Session:
    """A session as last seen.

    `since`: time of day of the last change of `state`. `is_cause`: `reason` says what ended the session, and
    vain attempts to connect do not replace it. `said`: the text of the last NOTIFICATION. `told`: the
    reasons of refusals that were events already.
    """

    state: SessionState
    since: float
    reason: str | None
    is_cause: bool = False
    said: str = ""
    told: set[str] = field(default_factory=set)


class Sessions:
    """All sessions of one speaker, by the neighbor's name. `wall` is the time of day in seconds."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._rib = Rib(None)
        self._sessions: dict[str, Session] = {}
        self._events: list[SpeakerEvent] = []

    def __contains__(self, name: str) -> bool:
        return name in self._sessions

    def names(self) -> tuple[str, ...]:
        """The neighbors whose sessions are known."""
        return tuple(self._sessions)

    def state(self, name: str) -> SessionState | None:
        """The state of a session, None when it is not known."""
        session = self._sessions.get(name)
        return session.state if session else None

    def reason(self, name: str) -> str | None:
        """Why a session is not established, None when it is, or is not known."""
        session = self._sessions.get(name)
        return session.reason if session else None

    def set_limit(self, limit: int | None) -> None:
        """Change the most prefixes that are accepted from all neighbors together."""
        self._rib.set_limit(limit)

    def routes(self) -> Mapping[IPv4Network, tuple[Path, ...]]:
        """The prefixes that are reachable and the paths to use for each; several are ECMP."""
        return self._rib.best()

    def forgetful(self) -> tuple[str, ...]:
        """Neighbors that would have to be asked for their routes again, since there is room for them now."""
        return self._rib.forgetful()

    def happened(self, event: SpeakerEvent) -> None:
        """Note an event, in order with those of the sessions."""
        self._events.append(event)

    def take_events(self) -> tuple[SpeakerEvent, ...]:
        """What happened since the last call."""
        events, self._events = tuple(self._events), []
        return events

    def report(self, neighbor: NeighborPlan, announced: frozenset[IPv4Network]) -> SessionReport:
        """What is seen of a neighbor's session now; `announced` is what it was told."""
        name = neighbor.name
        session = self._sessions[name]
        accepted = sorted(self._rib.accepted(name).items())
        return SessionReport(
            name=name,
            peer_address=neighbor.peer_address,
            state=session.state,
            since=session.since,
            reason=session.reason,
            accepted=tuple(prefix for prefix, _ in accepted),
            announced=tuple(sorted(announced)) if session.state == "established" else (),
            refused=tuple(RefusedPrefix(*refused) for refused in self._rib.refused(name, SHOWN_REFUSED)),
            refused_count=self._rib.refused_count(name),
            complete=self._rib.complete(name),
            metrics=tuple(len(path.as_path) for _, path in accepted),
        )

    def down(self, name: str, state: SessionState, reason: str, *, is_cause: bool = False) -> None:
        """The session is in this state, which is not established, for this reason."""
        self._rib.clear(name)
        session = self._sessions.get(name)
        if session is not None and session.state == "established":
            self._events.append(SpeakerEvent("lost", name, reason))
        if session is None or session.state != state:
            self._sessions[name] = Session(state, self._wall(), reason, is_cause)
        else:
            session.reason, session.is_cause = reason, is_cause

    def forget(self, name: str, reason: str) -> None:
        """The neighbor is not planned any more."""
        self.down(name, "idle", reason)
        del self._sessions[name]

    def take(self, plan: SpeakerPlan, neighbor: NeighborPlan, message: Message) -> None:
        """Take in what ExaBGP says of a neighbor's session, which is known."""
        name = neighbor.name
        session = self._sessions[name]
        match message:
            case Connected() if session.state == "connect" and not session.is_cause:
                session.reason = "the TCP connection is there; no OPEN from the peer yet"
            case Established():
                self._rib.clear(name)
                self._sessions[name] = Session("established", self._wall(), None)
                self._events.append(SpeakerEvent("established", name, "the session is established"))
            case Notified():
                session.said = message.text
            case Lost():
                self._lost(name, session, message)
            case Update() if session.state == "established":
                self._update(plan, neighbor, session, message)
            case EndOfRib() if session.state == "established":
                self._rib.end_of_rib(name)

    def tell_of_the_limit(self) -> None:
        """An event for each neighbor with prefixes that wait for room, once."""
        for name, session in self._sessions.items():
            over = self._rib.over_limit(name)
            reason = f"over the limit of {self._rib.limit} prefixes"
            if over:
                self._refusal(name, session, reason, f"{over} prefixes {reason}; they wait for room")
            else:
                session.told.discard(reason)

    def _lost(self, name: str, session: Session, message: Lost) -> None:
        reason = message.reason
        if message.notified and session.said:
            reason += f', "{session.said}"'
        session.said = ""
        if session.state == "established" or message.notified:
            self.down(name, "connect", reason, is_cause=True)
        elif not session.is_cause:
            session.reason = reason

    def _update(self, plan: SpeakerPlan, neighbor: NeighborPlan, session: Session, update: Update) -> None:
        for prefix in update.withdraw:
            self._rib.withdraw(neighbor.name, prefix)
        checked = import_policy.Session(plan.as_towards(neighbor), neighbor.peer_as, neighbor.peer_address)
        for attributes, prefixes in update.announce:
            path = Path(neighbor.name, neighbor.interface, attributes.next_hop, attributes.as_path, attributes.med)
            for prefix in prefixes:
                refusal = import_policy.reason_to_refuse(checked, prefix, attributes)
                self._rib.announce(path, prefix, refusal)
                if refusal is not None:
                    self._refusal(neighbor.name, session, refusal, f"{prefix}: {refusal}")
        for family in update.foreign:
            self._refusal(neighbor.name, session, family, f"{family}: only IPv4 unicast is taken")

    def _refusal(self, name: str, session: Session, reason: str, text: str) -> None:
        """An event for the first refusal of each kind in a session."""
        if reason not in session.told and len(session.told) < TOLD_REASONS:
            session.told.add(reason)
            self._events.append(SpeakerEvent("route-refused", name, text))

"""The agent: makes a NodePlan so, as often as asked, and says what it sees.

It runs alone in its node's namespace, single-threaded, and is level-triggered: whatever wakes it (a plan, an event of
charon, ExaBGP or the kernel, a timer), it looks afresh and corrects what differs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path

from bgp.speaker import Speaker
from endpoint.endpoint import Endpoint
from endpoint.filters import Filters
from endpoint.interfaces import apply_interfaces, observe_interfaces, set_sysctls
from endpoint.report import EndpointReport, InterfaceReport
from endpoint.shaping import apply_shapers
from endpoint.source_routes import apply_source_routes
from endpoint.tables import apply_filters, counters
from endpoint.xfrm import apply_xfrm_interfaces
from lab.loop import Loop, Timer
from lab.node.bell import LinkBell
from lab.node.coupling import carrying_interfaces, over_shut_ports, speaker_now
from lab.node.filtering import filters_of
from lab.node.forwarding import Learned, Offered
from lab.node.impairing import apply_impairments
from lab.node.kernel_routes import KernelRoutes
from lab.node.logs import bound_logs
from lab.node.news import gist_of
from lab.node.problems import Problems
from lab.node.sampling import Sample, kept, sample, traffic
from lab.plan.codec import from_json, to_json
from lab.plan.impairments import UNIMPAIRED, Impairments
from lab.plan.model import NodePlan
from lab.plan.report import NodeReport, TunnelTraffic
from lab.wire.messages import Message

LOOK_AGAIN_S = 5.0
"""Seconds between two looks without any event (chosen: a missed event is mended before a user asks why)."""
TRY_AGAIN_S = 0.2
"""Seconds, at least, before what was refused is tried again without an event (chosen: as for an agent that died)."""


NOTHING_LEARNED: Learned = {}

ROUTES = {"static": "static routes", "bgp": "BGP routes"}


class Agent:
    """One node's agent: engines below, a channel to the lab process above."""

    def __init__(self, loop: Loop, directory: Path) -> None:
        self._loop = loop
        self._directory = directory
        self._send: Callable[[Message], None] = lambda _: None
        self._plan: NodePlan | None = None
        self._keys: Mapping[str, str] = {}
        self._endpoint: Endpoint | None = None
        self._speaker: Speaker | None = None
        self._bell = LinkBell()
        self._carrying: frozenset[str] = frozenset()
        self._ports_up: frozenset[str] = frozenset()
        self._problems = Problems()
        self._watched: frozenset[int] = frozenset()
        self._again: Timer | None = None
        self._last_sent: object = None
        self._report_due = 0.0
        self._impairments: Impairments | None = None
        self._filters: Filters | None = None
        self._seen: tuple[tuple[InterfaceReport, ...], EndpointReport | None] | None = None
        self._observe_again = 0.0
        self._samples: tuple[Sample, ...] = ()
        self._rates: tuple[TunnelTraffic, ...] = ()
        self._offered: Offered = {}
        self._routes = KernelRoutes()

    def serve(self, send: Callable[[Message], None]) -> None:
        """Work until the loop is stopped, saying through `send` what is seen; then end the engines."""
        self._send = send
        self._loop.watch(self._bell.fileno(), self._look)
        self._loop.run()
        if self._speaker is not None:
            self._speaker.stop()
        if self._endpoint is not None:
            self._endpoint.stop()

    def on_message(self, message: Message) -> None:
        """A plan with its keys, or the wish to look now."""
        if "plan" in message:
            self._plan = from_json(NodePlan, message["plan"])
            self._keys = message["keys"]
            self._offered = {
                gateway: tuple(map(IPv4Network, destinations)) for gateway, destinations in message["offered"].items()
            }
            self._make_so(self._plan)
        self._look(answer=message.get("observe"))

    def _hear_endpoint(self) -> None:
        """charon says much that changes nothing, dead peer detection above all; then there is nothing to look at."""
        self._take_endpoint_events()
        if self._endpoint is None or self._endpoint.has_news:
            self._look()

    def _make_so(self, plan: NodePlan) -> None:
        """Interfaces and tunnels. Sessions and routes follow from what is seen of them, in `_look`.

        charon takes longest to get ready, so it starts first.
        """
        if plan.endpoint is not None:
            if self._endpoint is None:
                self._endpoint = Endpoint(self._directory, now=self._loop.now)
            with self._problems.noted("endpoint"):
                self._endpoint.start(plan.endpoint)
        with self._problems.noted("interfaces"):
            set_sysctls(dict(plan.sysctls))
            apply_interfaces(plan.interfaces)
        if not all(port.up for port in plan.interfaces):
            self._leave_shut_ports(plan, observe_interfaces())
        self._impair(plan)
        self._make_source_routes(plan)
        self._make_filters(plan)
        if plan.endpoint is not None:
            self._make_tunnels(plan)
        elif self._endpoint is not None:
            self._end_tunnels(self._endpoint)
        if plan.speaker is not None and self._speaker is None:
            self._speaker = Speaker(self._directory, now=self._loop.now)
        elif plan.speaker is None and self._speaker is not None:
            self._speaker.stop()
            self._speaker = None

    def _impair(self, plan: NodePlan) -> None:
        """An agent that took another one's place looks at what that has left; most nodes never impair anything."""
        if plan.impairments != self._impairments and (plan.role == "internet" or plan.impairments != UNIMPAIRED):
            with self._problems.noted("impairments"):
                apply_impairments(plan.impairments)
                self._impairments = plan.impairments

    def _make_source_routes(self, plan: NodePlan) -> None:
        with self._problems.noted("source routes"):
            apply_source_routes(plan.source_routes)

    def _make_filters(self, plan: NodePlan) -> None:
        wanted = filters_of(plan)
        if wanted != self._filters:
            with self._problems.noted("filters"):
                apply_filters(wanted)
                self._filters = wanted

    def _make_tunnels(self, plan: NodePlan) -> None:
        if plan.endpoint is not None and self._endpoint is not None:
            with self._problems.noted("endpoint"):
                self._endpoint.apply(plan.endpoint, self._keys)

    def _end_tunnels(self, endpoint: Endpoint) -> None:
        """The node has none any more."""
        endpoint.stop()
        self._endpoint = None
        with self._problems.noted("endpoint"):
            apply_shapers({})
            apply_xfrm_interfaces(())

    def _hear_speaker(self) -> None:
        """A peer with many routes sends them piece by piece: only what they concern is looked at for each.

        charon and the links say themselves when there is news of them, and the table of routes can be long. A session
        that comes or goes is reported with everything as it is then.
        """
        happened = self._take_speaker_events()
        self._look(at_speaker_alone=not happened and not self._problems)

    def _look(self, answer: int | None = None, *, at_speaker_alone: bool = False) -> None:
        """Observe, move routes first (traffic before bookkeeping), then sessions, then report.

        Reporting takes at most half of the time: of many routes that come one after the other not every step is told.
        """
        if self._plan is None:
            return
        plan = self._plan
        if not at_speaker_alone or self._seen is None:
            self._seen = self._observe(plan)
        else:
            self._take_speaker_events()
        ports, endpoint = self._seen
        self._couple(plan, endpoint, ports)
        self._set_routes(plan, self._carrying, look=not at_speaker_alone)
        self._mend_source_routes(plan, ports)
        if plan.speaker is not None and self._speaker is not None:
            with self._problems.noted("speaker"):
                self._speaker.apply(speaker_now(plan.speaker, self._carrying))
        if answer is None and self._loop.now() < self._report_due:
            self._wake_up_next(self._report_due, at_speaker_alone=at_speaker_alone)
            return
        began = self._loop.now()
        if not at_speaker_alone:
            self._rates = self._traffic(plan, ports)
        report = NodeReport(
            name=plan.name,
            written_at=time.time(),
            interfaces=ports,
            routes=self._routes.installed(),
            problems=self._problems.listed(),
            endpoint=endpoint,
            speaker=self._speaker.report() if self._speaker else None,
            offers=self._routes.offers,
            traffic=self._rates,
        )
        self._tell(report, answer)
        self._report_due = self._loop.now() + (self._loop.now() - began)
        self._wake_up_next()
        bound_logs(self._directory)

    def _observe(self, plan: NodePlan) -> tuple[tuple[InterfaceReport, ...], EndpointReport | None]:
        """Look at ports and tunnels, and hear what the engines have to say."""
        self._bell.silence()  # what it rang for is looked at now, and most of it was this agent's own doing
        self._take_endpoint_events()
        self._take_speaker_events()
        self._make_what_is_due(plan)
        ports = observe_interfaces()
        self._leave_shut_ports(plan, ports)
        endpoint = self._observe_endpoint()
        self._take_endpoint_events()  # what it saw
        self._observe_again = self._loop.now() + LOOK_AGAIN_S
        return ports, endpoint

    def _take_endpoint_events(self) -> None:
        for tunnel_event in self._endpoint.process() if self._endpoint else ():
            self._say(tunnel_event.kind, tunnel_event.tunnel, tunnel_event.text)

    def _take_speaker_events(self) -> bool:
        """Tell of what happened to sessions; whether anything did."""
        events = self._speaker.process() if self._speaker else ()
        for event in events:
            self._say(f"bgp-{event.kind}", event.neighbor, event.text)
        return bool(events)

    def _say(self, kind: str, subject: str | None, text: str) -> None:
        """Tell of an event, with the time at which it was seen: here, and not when somebody hears of it."""
        self._send({"event": {"at": time.time(), "kind": kind, "subject": subject, "text": text}})

    def _make_what_is_due(self, plan: NodePlan) -> None:
        if self._problems:  # what was refused may be possible now
            self._make_so(plan)
        elif self._endpoint is not None and self._endpoint.lacks_charon:
            self._make_tunnels(plan)

    def _observe_endpoint(self) -> EndpointReport | None:
        report = None
        if self._endpoint is not None:
            with self._problems.noted("tunnels"):
                report = self._endpoint.observe()
        return report

    def _couple(self, plan: NodePlan, endpoint: EndpointReport | None, ports: tuple[InterfaceReport, ...]) -> None:
        before, now = self._carrying, frozenset[str]()
        if plan.endpoint is not None and endpoint is not None:
            now = carrying_interfaces(plan.endpoint, endpoint, ports)
        if now != before:  # else the very object stays, by which others tell that nothing changed
            self._carrying = now
        if self._speaker is not None and plan.speaker is not None:
            for neighbor in plan.speaker.neighbors:
                if neighbor.interface in before - self._carrying:
                    self._speaker.reset(neighbor.name)

    def _leave_shut_ports(self, plan: NodePlan, ports: tuple[InterfaceReport, ...]) -> None:
        """A port that has just gone down takes its tunnels' routes with it, before anything else is looked at."""
        shut = frozenset(port.name for port in ports if not port.up) & self._ports_up
        for name in sorted(shut):
            self._ports_up -= {name}
            self._say("port-down", name, f"port {name} is down")
        if shut and plan.endpoint is not None:
            self._set_routes(plan, self._carrying - over_shut_ports(plan.endpoint, ports))

    def _mend_source_routes(self, plan: NodePlan, ports: tuple[InterfaceReport, ...]) -> None:
        """The kernel drops the routes of a port that goes down and does not bring them back with it."""
        up = frozenset(port.name for port in ports if port.up)
        if up - self._ports_up:
            self._make_source_routes(plan)
        self._ports_up = up

    def _set_routes(self, plan: NodePlan, carrying: frozenset[str], *, look: bool = True) -> None:
        learned = self._speaker.routes() if self._speaker else NOTHING_LEARNED
        self._routes.want(plan, learned, self._offered, carrying)
        for origin in self._routes.order:
            with self._problems.noted(ROUTES[origin]):
                self._routes.make(origin, look=look)

    def _traffic(self, plan: NodePlan, ports: tuple[InterfaceReport, ...]) -> tuple[TunnelTraffic, ...]:
        if plan.tables is None or plan.endpoint is None:
            return ()
        latest: Sample = {}
        with self._problems.noted("counters"):
            now = self._loop.now()
            latest = sample(plan.endpoint.tunnels, counters(), ports, now)
            self._samples = kept(self._samples, latest, now)
        return traffic(self._samples, latest)

    def _tell(self, report: NodeReport, answer: int | None) -> None:
        """Send the report when somebody asked for it or when something but counters and ages changed."""
        gist = gist_of(report)
        if answer is None and gist == self._last_sent:
            return
        self._last_sent = gist
        self._send({"report": to_json(report), "answer": answer})

    def _wake_up_next(self, at: float = math.inf, *, at_speaker_alone: bool = False) -> None:
        """Watch what the engines want to have watched, and look again when they want it, or after a while.

        And at `at`, then perhaps `at_speaker_alone`.
        """
        charon = self._endpoint.filenos() if self._endpoint else ()
        exabgp = self._speaker.filenos() if self._speaker else ()
        self._watched = self._loop.watch_instead(
            self._watched, dict.fromkeys(charon, self._hear_endpoint) | dict.fromkeys(exabgp, self._hear_speaker)
        )
        now = self._loop.now()
        wishes = (self._endpoint.due() if self._endpoint else None,
                  self._speaker.restart_due() if self._speaker else None)  # fmt: skip
        when = min(wish for wish in (*wishes, at, self._observe_again) if wish is not None)
        if self._endpoint is not None and self._endpoint.has_news:  # heard after it was observed: no bell rings for it
            when = now
        if self._problems:
            when = max(when, now + TRY_AGAIN_S)
        if self._again is not None:
            self._again.cancel()
        look = partial(self._look, at_speaker_alone=at_speaker_alone and when == at)
        self._again = self._loop.call_at(when, look)

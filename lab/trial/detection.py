"""Who learned of a fault, when and by what: from the lab's events and from what the gateways' kernels did. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from lab.plan.model import LabPlan, TunnelPair
from lab.plan.report import LabEvent
from lab.trial.edits import gateway_of
from lab.trial.model import SIDES, Cause, Moment, Side
from lab.trial.route_changes import RouteChange

_DEATHS = ("daemon-died", "bgp-died", "agent-died")

# What the texts of events tell; the first match counts. None: a consequence, noted where its cause is an event, too.
_TUNNEL_CAUSES: tuple[tuple[str, Cause | None], ...] = (
    (r"administratively down", "admin status"),
    (r"gave up after|dead peer detection", "DPD"),
    (r"charon", None),
    (r"", "child SA"),
)
_SESSION_CAUSES: tuple[tuple[str, Cause | None], ...] = (
    (r"administratively down", "admin status"),
    (r"NOTIFICATION sent: hold timer", "hold timer"),
    (r"NOTIFICATION", "BGP notification"),
    (r"was reset|configured afresh|no longer planned|ExaBGP does not run|speaker was stopped", None),
    (r"", "BGP closed"),
)


def moments(
    plan: LabPlan, pair: TunnelPair, events: Iterable[LabEvent], changes: Iterable[RouteChange]
) -> tuple[Moment, ...]:
    """Every cause by which a side learned that the tunnel is not to be used, once each, and its kernels' new routes."""
    routes = tuple(changes)
    detected = tuple(_detections(plan, pair, events))
    found = [*detected, *_withdrawals(plan, pair, detected, routes), *_route_moments(pair, routes)]
    return tuple(sorted(found, key=lambda moment: moment.at))


def first_detection(found: Iterable[Moment], side: Side) -> Moment | None:
    """By what a side learned of it first; None when it did not."""
    own = [moment for moment in found if moment.kind == "detected" and moment.side == side]
    return min(own, key=lambda moment: moment.at, default=None)


def interface_of(plan: LabPlan, pair: TunnelPair, side: Side) -> str:
    """The tunnel's XFRM interface at one end."""
    endpoint = plan.node(gateway_of(pair, side)).endpoint
    return next(end.interface for end in (endpoint.tunnels if endpoint else ()) if end.name == pair.name)


def _detections(plan: LabPlan, pair: TunnelPair, events: Iterable[LabEvent]) -> Iterator[Moment]:
    seen: set[tuple[Side, Cause]] = set()
    for event in sorted(events, key=lambda event: event.at):
        for side in SIDES:
            cause = _cause(plan, pair, side, event)
            if cause is not None and (side, cause) not in seen:
                seen.add((side, cause))
                yield Moment(event.at, "detected", event.text, side, event.node, cause)


def _cause(plan: LabPlan, pair: TunnelPair, side: Side, event: LabEvent) -> Cause | None:
    if event.node != gateway_of(pair, side):
        return None
    if event.kind == "port-down" and event.subject == _port_of(plan, pair, side):
        return "link"
    if event.kind in _DEATHS:
        return "daemon"
    if event.kind == "tunnel-down" and event.subject == pair.name:
        return _told_by(event.text, _TUNNEL_CAUSES)
    if event.kind == "bgp-lost" and event.subject == pair.name:
        return _told_by(event.text, _SESSION_CAUSES)
    return None


def _told_by(text: str, causes: Iterable[tuple[str, Cause | None]]) -> Cause | None:
    return next(cause for pattern, cause in causes if re.search(pattern, text))


def _port_of(plan: LabPlan, pair: TunnelPair, side: Side) -> str | None:
    """The port from which the tunnel starts at one end."""
    node = plan.node(gateway_of(pair, side))
    ends = node.endpoint.tunnels if node.endpoint else ()
    address = next(end.local_address for end in ends if end.name == pair.name)
    return next((port.name for port in node.interfaces if any(own.ip == address for own in port.addresses)), None)


def _withdrawals(
    plan: LabPlan, pair: TunnelPair, detected: Iterable[Moment], changes: Iterable[RouteChange]
) -> Iterator[Moment]:
    """A side that took the tunnel out of a route with nothing else to go by had the prefix withdrawn by its peer."""
    known = tuple(detected)
    for side in SIDES:
        interface, node = interface_of(plan, pair, side), gateway_of(pair, side)
        left = next((one for one in changes if one.node == node and interface not in one.interfaces), None)
        first = first_detection(known, side)
        if left is not None and (first is None or left.at < first.at):
            yield Moment(left.at, "detected", f"{left.destination} was withdrawn", side, node, "BGP withdrawal")


def _route_moments(pair: TunnelPair, changes: Iterable[RouteChange]) -> Iterator[Moment]:
    """Prefixes that one node leads the same way one after the other are one moment: that of the last of them."""
    for (node, interfaces), run in groupby(changes, key=lambda change: (change.node, change.interfaces)):
        prefixes = tuple(run)
        side = next((side for side in SIDES if gateway_of(pair, side) == node), None)
        way = " and ".join(interfaces) or "nothing"
        text = str(prefixes[0]) if len(prefixes) == 1 else f"{len(prefixes)} prefixes over {way}"
        yield Moment(prefixes[-1].at, "routes-changed", text, side, node)

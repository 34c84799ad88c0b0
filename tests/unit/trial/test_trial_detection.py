"""Causes are told from what the engines said, by the time at which they said it."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from lab.plan.compile import compile_plan
from lab.plan.report import LabEvent
from lab.spec.load import reference
from lab.trial.detection import first_detection, moments
from lab.trial.edits import pair_called
from lab.trial.route_changes import RouteChange

PLAN = compile_plan(reference())
PAIR = pair_called(PLAN, "hq-1")
PREFIX = IPv4Network("172.16.1.0/24")


def event(at: float, node: str, kind: str, subject: str | None, text: str = "") -> LabEvent:
    return LabEvent(1, at, node, kind, subject, text)


def detected(*events: LabEvent, changes: tuple[RouteChange, ...] = ()) -> list[tuple[float, str | None, str | None]]:
    found = moments(PLAN, PAIR, events, changes)
    return [(moment.at, moment.side, moment.cause) for moment in found if moment.kind == "detected"]


@pytest.mark.parametrize(
    ("kind", "subject", "text", "cause"),
    [
        ("port-down", "wan1", "port wan1 is down", "link"),
        ("tunnel-down", "hq-1", "no IKE SA; last: no answer from the peer, gave up after 3 retransmits", "DPD"),
        ("tunnel-down", "hq-1", "no IKE SA; last: the peer deleted the IKE_SA", "child SA"),
        ("tunnel-down", "hq-1", "administratively down", "admin status"),
        ("bgp-lost", "hq-1", "NOTIFICATION sent: hold timer expired (4/0)", "hold timer"),
        ("bgp-lost", "hq-1", "NOTIFICATION received: hold timer expired (4/0)", "BGP notification"),
        ("bgp-lost", "hq-1", 'NOTIFICATION received: cease: administrative shutdown (6/2), ""', "BGP notification"),
        ("bgp-lost", "hq-1", "closing connection", "BGP closed"),
        ("bgp-lost", "hq-1", "administratively down", "admin status"),
        ("daemon-died", None, "charon was killed by SIGKILL", "daemon"),
    ],
)
def test_each_cause_is_known_by_what_was_said(kind: str, subject: str | None, text: str, cause: str) -> None:
    assert detected(event(1.0, "hq-gw", kind, subject, text)) == [(1.0, "idc", cause)]


@pytest.mark.parametrize(
    ("node", "kind", "subject", "text"),
    [
        ("hq-gw", "port-down", "wan2", "the port of the other tunnel"),
        ("hq-gw", "bgp-lost", "hq-2", "NOTIFICATION sent: hold timer expired (4/0)"),
        ("hq-gw", "bgp-lost", "hq-1", "the session was reset"),
        ("internet", "port-down", "wan1", "a port of a node that is no end"),
        ("hq-gw", "tunnel-up", "hq-1", "child SA installed and interface up"),
    ],
)
def test_what_is_about_something_else_or_a_consequence_is_no_detection(
    node: str, kind: str, subject: str, text: str
) -> None:
    assert detected(event(1.0, node, kind, subject, text)) == []


def test_all_causes_are_ranked_by_time_on_each_side_and_the_first_one_counts() -> None:
    hold = event(24.9, "bgw1", "bgp-lost", "hq-1", "NOTIFICATION sent: hold timer expired (4/0)")
    dpd = event(24.2, "bgw1", "tunnel-down", "hq-1", "no IKE SA; last: no answer, gave up after 3 retransmits")
    other = event(29.0, "hq-gw", "bgp-lost", "hq-1", "NOTIFICATION sent: hold timer expired (4/0)")
    assert detected(other, hold, dpd, dpd) == [
        (24.2, "cloud", "DPD"),
        (24.9, "cloud", "hold timer"),
        (29.0, "idc", "hold timer"),
    ]
    first = first_detection(moments(PLAN, PAIR, (hold, dpd, other), ()), "cloud")
    assert first is not None
    assert first.cause == "DPD"


def test_a_route_that_leaves_the_tunnel_with_nothing_else_to_go_by_was_withdrawn() -> None:
    change = RouteChange("bgw1", 2.0, PREFIX, ("xfrm2",))
    assert detected(changes=(change,)) == [(2.0, "cloud", "BGP withdrawal")]
    earlier = event(1.5, "bgw1", "bgp-lost", "hq-1", "closing connection")
    assert detected(earlier, changes=(change,)) == [(1.5, "cloud", "BGP closed")]


def test_many_prefixes_that_go_the_same_way_are_one_moment() -> None:
    changes = [
        RouteChange("bgw1", 2.0 + number / 100, prefix, ("xfrm2",))
        for number, prefix in enumerate(IPv4Network("10.9.0.0/22").subnets(new_prefix=24))
    ]
    (moved,) = [m for m in moments(PLAN, PAIR, (), changes) if m.kind == "routes-changed"]
    assert (moved.at, moved.text, moved.side) == (2.03, "4 prefixes over xfrm2", "cloud")

"""What a node that runs alone says in its log."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from bgp.report import SessionReport, SpeakerReport
from endpoint.plan import NextHop
from endpoint.report import EndpointReport, TunnelReport
from lab.node.telling import event_line, news, seen_by
from lab.plan.compile import compile_plan
from lab.plan.report import InstalledRoute, NodeReport
from lab.spec.load import reference

PLAN = compile_plan(reference()).node("bgw1")
PREFIX = IPv4Network("172.16.1.0/24")
VIA_1, VIA_2 = NextHop("xfrm1", IPv4Address("169.254.10.1")), NextHop("xfrm2", IPv4Address("169.254.10.5"))


def report(states, *, problems=(), routes=()):
    tunnels = tuple(TunnelReport(f"hq-{n}", f"xfrm{n}", s, 0.0, "dead", None, None) for n, s in enumerate(states, 1))
    sessions = tuple(
        SessionReport(f"hq-{n}", VIA_1.via, "established" if s == "up" else "connect", 0.0, None, (), ())
        for n, s in enumerate(states, 1)
    )
    return NodeReport("bgw1", 0.0, (), routes, problems, EndpointReport(1, 0, None, tunnels),
                      SpeakerReport(1, 0, None, sessions))  # fmt: skip


def lines(before, now):
    return list(news(before and seen_by(PLAN, before), seen_by(PLAN, now)))


READY = report(("up", "up"), routes=(InstalledRoute(PREFIX, (VIA_1, VIA_2), "bgp"),))


def test_a_node_says_when_all_is_there_that_is_planned():
    assert lines(report(("up", "down")), replace(READY, routes=())) == [
        "ready: 2 tunnels up, 2 BGP sessions established, 0 routes learned"
    ]


def test_a_node_without_tunnels_is_ready_when_nothing_is_refused():
    router = replace(READY, endpoint=None, speaker=None)
    assert list(news(None, seen_by(replace(PLAN, endpoint=None, speaker=None), replace(router, routes=())))) == [
        "ready"
    ]


def test_a_node_that_starts_says_nothing_of_what_is_still_to_come():
    assert lines(None, report(("negotiating", "down"))) == []


def test_a_node_that_was_ready_says_what_it_lacks():
    (line,) = lines(replace(READY, routes=()), report(("up", "down")))
    assert line == "not ready: tunnel hq-2 on bgw1: no CHILD_SA; no IKE_SA; last: dead"


def test_the_same_report_again_is_no_news():
    assert lines(READY, READY) == []


def test_routes_are_told_with_their_next_hops_when_they_come_change_and_go():
    one = replace(READY, routes=(InstalledRoute(PREFIX, (VIA_1,), "bgp"),))
    assert lines(replace(READY, routes=()), one) == ["route 172.16.1.0/24 (bgp) over xfrm1 via 169.254.10.1"]
    assert lines(one, READY) == [
        "route 172.16.1.0/24 (bgp) over xfrm1 via 169.254.10.1 and over xfrm2 via 169.254.10.5"
    ]
    assert lines(one, replace(READY, routes=())) == ["route 172.16.1.0/24 (bgp) gone"]


def test_a_problem_is_told_once_and_its_end_too():
    bad = replace(READY, problems=("interfaces: no interface with the MAC",))
    assert lines(READY, bad)[0] == "problem: interfaces: no interface with the MAC"
    assert not [line for line in lines(bad, bad) if "problem" in line]
    assert lines(bad, READY)[0] == "mended: interfaces: no interface with the MAC"


def test_an_event_is_one_line_with_its_subject():
    assert event_line({"kind": "tunnel-up", "subject": "hq-1", "text": "child SA"}) == "tunnel-up hq-1: child SA"
    assert event_line({"kind": "daemon-died", "subject": None, "text": "charon"}) == "daemon-died: charon"

"""What a lab lacks, told from plan and report alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from bgp.report import RefusedPrefix, SessionReport, SpeakerReport
from endpoint.plan import NextHop
from endpoint.report import ChildSaReport, EndpointReport, TunnelReport
from lab.control.readiness import lacks, lacks_of_drain, reached_phases
from lab.plan.compile import compile_plan
from lab.plan.lacks import expected_prefixes
from lab.plan.report import InstalledRoute, LabReport, NodeReport, NodeStatus, Offer
from lab.spec.load import reference

PLAN = compile_plan(reference())
VPC, IDC = IPv4Network("10.0.1.0/24"), IPv4Network("172.16.1.0/24")
CHILD = ChildSaReport(1, "INSTALLED", "c0000001", "c0000002", False, 0, 0, 0, 0, 0, 3000, "-", (), ())


def tunnel_report(name):
    return TunnelReport(name, "xfrm1", "up", 0.0, None, None, CHILD)


def session_report(plan, node, neighbor):
    accepted = tuple(expected_prefixes(plan, node, neighbor))
    return SessionReport(neighbor.name, neighbor.peer_address, "established", 0.0, None, accepted, neighbor.announce)


def node_report(plan, node):
    """The node as it is when all that is planned has come true."""
    endpoint, speaker, routes = None, None, ()
    if node.endpoint:
        endpoint = EndpointReport(1, 0, None, tuple(tunnel_report(tunnel.name) for tunnel in node.endpoint.tunnels))
    if node.speaker:
        sessions = tuple(session_report(plan, node, neighbor) for neighbor in node.speaker.neighbors)
        speaker = SpeakerReport(1, 0, None, sessions)
        routes = tuple(
            InstalledRoute(prefix, (NextHop("xfrm1", IPv4Address("169.254.10.1")),), "bgp")
            for prefix in sorted({prefix for session in sessions for prefix in session.accepted})
        )
    if node.vpc_table:
        routes = (InstalledRoute(IDC, (NextHop("bgw1", IPv4Address("100.64.0.1")),), "static"),)
    offers = (Offer("app", node.name, (IDC,)),) if node.tables else ()
    return NodeReport(node.name, 0.0, (), routes, (), endpoint, speaker, offers)


def ready_report():
    return LabReport(
        PLAN.name, "-", tuple(NodeStatus(n.name, 1, 0, None, node_report(PLAN, n), 0.0, False) for n in PLAN.nodes)
    )


def changed(node, **changes):
    """The ready lab's report with one node's status changed; `report` may be a function of the old one."""
    report = ready_report()
    status = report.node(node)
    new = changes.pop("report", status.report)
    other = replace(status, report=new(status.report) if callable(new) else new, **changes)
    return replace(report, nodes=tuple(other if known is status else known for known in report.nodes))


def with_tunnel(name, **changes):
    def change(report):
        tunnels = tuple(replace(t, **changes) if t.name == name else t for t in report.endpoint.tunnels)
        return replace(report, endpoint=replace(report.endpoint, tunnels=tunnels))

    return change


def with_session(name, **changes):
    def change(report):
        sessions = tuple(replace(s, **changes) if s.name == name else s for s in report.speaker.sessions)
        return replace(report, speaker=replace(report.speaker, sessions=sessions))

    return change


def test_a_lab_as_planned_lacks_nothing():
    assert lacks(PLAN, ready_report()) == ()
    assert reached_phases(()) == ("nodes", "tunnels", "sessions", "routes")


def test_a_lab_that_has_just_been_asked_for_lacks_its_nodes():
    missing = lacks(PLAN, LabReport(PLAN.name, "", ()))
    assert {(lack.what, lack.seen) for lack in missing} == {(f"node {n.name}", "not made yet") for n in PLAN.nodes}
    assert reached_phases(missing) == ()


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"report": None}, "its agent has not reported yet"),
        ({"report": None, "agent_last_exit": "agent 7 was killed by SIGKILL"}, "last: agent 7 was killed by SIGKILL"),
        ({"stale": True, "report_age_s": 4.2}, "its agent does not answer; last report 4 s old"),
        ({"report": lambda report: replace(report, problems=("no XFRM",))}, "no XFRM"),
    ],
)
def test_a_node_that_cannot_be_believed_is_lacking(changes, seen):
    missing = lacks(PLAN, changed("bgw1", **changes))
    assert [lack.what for lack in missing] == ["node bgw1"]
    assert seen in missing[0].seen


def test_a_tunnel_that_is_down_hides_its_session_and_says_what_was_seen_last():
    down = with_tunnel("hq-1", state="down", child=None, reason="no proposal chosen")
    both = with_session("hq-1", state="idle", accepted=())
    (lack,) = lacks(PLAN, changed("bgw1", report=lambda report: both(down(report))))
    assert str(lack) == "tunnel hq-1 on bgw1: no CHILD_SA; no IKE_SA; last: no proposal chosen"
    assert reached_phases((lack,)) == ("nodes",)


def test_a_session_that_is_not_established_hides_its_prefixes():
    (lack,) = lacks(PLAN, changed("hq-gw", report=with_session("hq-2", state="connect", reason="refused", accepted=())))
    assert str(lack) == "BGP session hq-2 on hq-gw: connect (refused)"


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"accepted": ()}, "not received; 0 accepted"),
        ({"accepted": (), "refused": (RefusedPrefix(VPC, "AS loop"),), "refused_count": 1}, "refused: AS loop"),
    ],
)
def test_a_prefix_that_did_not_come_says_why(changes, seen):
    (lack,) = lacks(PLAN, changed("hq-gw", report=with_session("hq-1", **changes)))
    assert (lack.phase, lack.what, lack.seen) == ("routes", f"{VPC} from hq-1 on hq-gw", seen)


def test_a_prefix_counts_only_once_it_is_in_the_kernel():
    missing = lacks(PLAN, changed("bgw1", report=lambda report: replace(report, routes=())))
    assert {str(lack) for lack in missing} == {f"{IDC} on bgw1: accepted, not in the kernel"}


def test_a_vpc_that_has_not_got_the_customers_prefix_is_lacking():
    (lack,) = {str(lack) for lack in lacks(PLAN, changed("vpc-app", report=lambda report: replace(report, routes=())))}
    assert lack == f"{IDC} from bgw1 on vpc-app: not propagated yet"


def test_causes_come_before_consequences():
    lost = changed("hq-gw", report=with_session("hq-1", accepted=()))
    nodes = tuple(status for status in lost.nodes if status.name != "vm1")
    assert [lack.phase for lack in lacks(PLAN, replace(lost, nodes=nodes))] == ["nodes", "routes"]


def test_a_tunnel_that_is_switched_off_is_not_waited_for():
    gateway = PLAN.node("bgw1")
    off = tuple(replace(tunnel, admin_up=False) for tunnel in gateway.endpoint.tunnels)
    quiet = tuple(replace(neighbor, admin_up=False) for neighbor in gateway.speaker.neighbors)
    planned = replace(
        gateway, endpoint=replace(gateway.endpoint, tunnels=off), speaker=replace(gateway.speaker, neighbors=quiet)
    )
    plan = replace(PLAN, nodes=tuple(planned if node.name == "bgw1" else node for node in PLAN.nodes))

    def all_down(report):
        tunnels = tuple(replace(t, state="admin-down", child=None) for t in report.endpoint.tunnels)
        sessions = tuple(replace(s, state="admin-down", accepted=()) for s in report.speaker.sessions)
        return replace(
            report,
            endpoint=replace(report.endpoint, tunnels=tunnels),
            speaker=replace(report.speaker, sessions=sessions),
        )

    assert not [lack for lack in lacks(plan, changed("bgw1", report=all_down)) if "bgw1" in lack.what]


def test_a_tunnel_is_drained_once_no_end_takes_or_has_a_route_over_it():
    assert [str(lack) for lack in lacks_of_drain(PLAN, ("hq-1",), ready_report())] == [
        "tunnel hq-1 on bgw1: its neighbor still announces 1 prefixes",
        "tunnel hq-1 on bgw1: 172.16.1.0/24 is still routed over it",
        "tunnel hq-1 on hq-gw: its neighbor still announces 1 prefixes",
        "tunnel hq-1 on hq-gw: 10.0.1.0/24 is still routed over it",
    ]
    assert lacks_of_drain(PLAN, (), ready_report()) == ()
    gone = changed("bgw1", report=without_routes)
    assert {lack.what for lack in lacks_of_drain(PLAN, ("hq-1",), gone)} == {"tunnel hq-1 on hq-gw"}


def test_who_does_not_answer_may_still_send_into_a_tunnel():
    stale = changed("bgw1", report=without_routes, stale=True)
    assert "tunnel hq-1 on bgw1: its agent does not say what is routed over it" in [
        str(lack) for lack in lacks_of_drain(PLAN, ("hq-1",), stale)
    ]


def without_routes(report):
    sessions = tuple(replace(session, accepted=()) for session in report.speaker.sessions)
    return replace(report, routes=(), speaker=replace(report.speaker, sessions=sessions))

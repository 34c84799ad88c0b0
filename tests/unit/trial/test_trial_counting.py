"""Where the traffic is, told from the counters of child SAs, and the verdicts that follow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trial_examples import blackhole_trial

from endpoint.report import ChildSaReport, EndpointReport, TunnelReport
from lab.plan.compile import compile_plan
from lab.plan.report import LabReport, NodeReport, NodeStatus
from lab.spec.load import reference
from lab.trial import verdicts
from lab.trial.counting import carried, in_words, is_telling, share
from lab.trial.model import Budgets, Carried

PLAN = compile_plan(reference())
LOSSY = blackhole_trial(0.0).phases


def child(spi: str, packets: int) -> ChildSaReport:
    return ChildSaReport(1, "INSTALLED", "c1", spi, False, 0, 0, 0, packets, 1, None, "", (), ())


def report(counts: dict[str, dict[str, tuple[str, int]]]) -> LabReport:
    """A lab whose gateways have sent so many packets: {"bgw1": {"hq-1": (spi, packets)}}."""
    nodes = []
    for node, tunnels in counts.items():
        ends = tuple(
            TunnelReport(name, "xfrm", "up", 0.0, None, None, child(*value)) for name, value in tunnels.items()
        )
        seen = NodeReport(node, 0.0, (), (), (), EndpointReport(1, 0, None, ends), None)
        nodes.append(NodeStatus(node, 1, 0, None, seen, 0.0, stale=False))
    return LabReport(PLAN.name, "", tuple(nodes))


BEFORE = report({"bgw1": {"hq-1": ("a1", 1000), "hq-2": ("a2", 500)}, "hq-gw": {"hq-1": ("b1", 0), "hq-2": ("b2", 0)}})
AFTER = report(
    {"bgw1": {"hq-1": ("a1", 1002), "hq-2": ("a2", 1498)}, "hq-gw": {"hq-1": ("b9", 250), "hq-2": ("b2", 750)}}
)


def test_packets_are_counted_by_sender_and_tunnel_and_a_new_sa_from_zero() -> None:
    counted = carried(BEFORE, AFTER, PLAN)
    assert {(one.sender, one.tunnel): one.packets for one in counted} == {
        ("cloud", "hq-1"): 2,
        ("cloud", "hq-2"): 998,
        ("idc", "hq-1"): 250,
        ("idc", "hq-2"): 750,
    }
    assert share(counted, "idc", "hq-1") == 0.25
    assert (
        in_words(counted)
        == "the cloud sends 0% into hq-1 and 100% into hq-2, the IDC sends 25% into hq-1 and 75% into hq-2"
    )


def test_a_tunnel_without_a_child_sa_carries_nothing() -> None:
    gone = report({"bgw1": {"hq-2": ("a2", 900)}, "hq-gw": {"hq-2": ("b2", 900)}})
    assert share(carried(BEFORE, gone, PLAN), "cloud", "hq-1") == 0.0


def test_a_few_packets_tell_nothing() -> None:
    assert is_telling(carried(BEFORE, AFTER, PLAN))
    assert not is_telling(carried(BEFORE, BEFORE, PLAN))
    assert not is_telling([Carried("cloud", "hq-1", 1000)])


def test_what_bgp_itself_sends_is_no_traffic_and_one_flow_of_sixteen_is() -> None:
    counted = carried(BEFORE, AFTER, PLAN)
    assert verdicts.has_left(counted, ("cloud",), "hq-1")
    assert not verdicts.has_left(counted, ("cloud", "idc"), "hq-1")
    sixteenth = [Carried("cloud", "hq-1", 62), Carried("cloud", "hq-2", 938)]
    assert not verdicts.has_left(sixteenth, ("cloud",), "hq-1")


def test_traffic_is_back_when_both_sides_send_about_as_before() -> None:
    half = [Carried(side, tunnel, 500) for side in ("cloud", "idc") for tunnel in ("hq-1", "hq-2")]
    one_way = [Carried("cloud", "hq-1", 500), Carried("cloud", "hq-2", 500), Carried("idc", "hq-2", 1000)]
    assert verdicts.is_back(half, half, "hq-1")
    assert not verdicts.is_back(one_way, half, "hq-1")


def test_a_verdict_says_where_the_traffic_is_or_what_was_awaited_in_vain() -> None:
    counted = carried(BEFORE, AFTER, PLAN)
    yes = verdicts.moved(counted, ("cloud",), "hq-1", None)
    assert (yes.question, yes.outcome) == ("traffic is on hq-2, from the cloud", "passed")
    no = verdicts.moved(counted, ("cloud", "idc"), "hq-1", "no 1 s without loss")
    assert (no.question, no.outcome, no.text) == ("traffic is on hq-2", "failed", "no 1 s without loss")


@pytest.mark.parametrize(
    ("budgets", "outcomes"),
    [
        (Budgets(), []),
        (Budgets(max_loss_ms=200), ["failed", "passed"]),
        (Budgets(max_loss_ms=5000, max_lost_packets=0), ["passed", "failed", "passed", "passed"]),
    ],
)
def test_budgets_hold_for_the_fault_and_for_the_restoring(budgets: Budgets, outcomes: list[str]) -> None:
    assert [verdict.outcome for verdict in verdicts.of_budgets(budgets, LOSSY)] == outcomes


def test_a_budget_is_unmeasured_where_the_prober_was_too_late() -> None:
    late = [
        replace(
            phase, directions=tuple(replace(d, lateness=replace(d.lateness, refusal="busy")) for d in phase.directions)
        )
        for phase in LOSSY
    ]
    assert {verdict.outcome for verdict in verdicts.of_budgets(Budgets(max_loss_ms=1), late)} == {"unmeasured"}
    assert {verdict.outcome for verdict in verdicts.of_measurement(late)} == {"unmeasured"}
    assert list(verdicts.of_measurement(LOSSY)) == []

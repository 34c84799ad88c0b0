"""An IKEv1 SA hands its child over to the next one: what is believed meanwhile, and for how long."""

from __future__ import annotations

import pytest
from test_endpoint_security_associations import CHILD, ike

from endpoint.hand_over import HAND_OVER_S, HandOvers, silence_s
from endpoint.plan import Retransmission
from endpoint.security_associations import TunnelSas, by_tunnel

PATIENCE_S = 3.0


def listed(*children: object, state: bytes = b"ESTABLISHED", version: bytes = b"1") -> TunnelSas:
    return by_tunnel([ike(*children, version=version, state=state)])["hq/1"]


UP = listed(CHILD)
NOWHERE = listed(state=b"REKEYING")
UNANSWERED = listed(CHILD, state=b"CONNECTING")


@pytest.fixture
def hand_overs() -> HandOvers:
    return HandOvers()


def verdict(hand_overs: HandOvers, sas: TunnelSas | None, now: float, *, was_up: bool = True) -> str:
    return hand_overs.verdict("hq/1", sas, was_up=was_up, now=now, patience_s=PATIENCE_S)


@pytest.mark.parametrize(
    "nowhere",
    [NOWHERE, listed(), listed(state=b"DELETING"), listed(state=b"DELETING", version=b"2")],
    ids=["where it starts", "where it is answered", "the old SA alone", "the old SA of IKEv2 alone"],
)
def test_a_tunnel_is_still_up_while_its_child_is_listed_nowhere_for_a_moment(
    hand_overs: HandOvers, nowhere: TunnelSas
) -> None:
    assert verdict(hand_overs, nowhere, 10.0) == "still up"
    assert list(hand_overs.due()) == [10.0 + HAND_OVER_S]
    assert verdict(hand_overs, nowhere, 10.0 + HAND_OVER_S) == "as seen"
    assert list(hand_overs.due()) == []


def test_a_tunnel_that_was_not_up_is_what_it_seems(hand_overs: HandOvers) -> None:
    assert verdict(hand_overs, NOWHERE, 10.0, was_up=False) == "as seen"


def test_a_peer_that_died_during_the_replacement_takes_the_tunnel_down_long_before_the_child_expires(
    hand_overs: HandOvers,
) -> None:
    assert verdict(hand_overs, NOWHERE, 10.0) == "still up"
    assert verdict(hand_overs, UNANSWERED, 10.2) == "as seen"
    assert list(hand_overs.due()) == [10.2 + PATIENCE_S]
    assert verdict(hand_overs, UNANSWERED, 10.2 + PATIENCE_S) == "lost"
    assert verdict(hand_overs, UNANSWERED, 500.0, was_up=False) == "lost"
    assert list(hand_overs.due()) == []


def test_the_answer_of_the_peer_ends_the_matter(hand_overs: HandOvers) -> None:
    assert verdict(hand_overs, UNANSWERED, 10.0) == "as seen"
    assert verdict(hand_overs, UP, 12.0) == "as seen"
    assert verdict(hand_overs, UNANSWERED, 100.0) == "as seen"  # the next replacement has time of its own


@pytest.mark.parametrize("sas", [None, UP, listed(CHILD, state=b"CONNECTING", version=b"2"), listed(version=b"2")])
def test_nothing_else_is_a_hand_over(hand_overs: HandOvers, sas: TunnelSas | None) -> None:
    for now in (10.0, 1000.0):
        assert verdict(hand_overs, sas, now) == "as seen"


def test_a_tunnel_that_is_gone_is_forgotten(hand_overs: HandOvers) -> None:
    verdict(hand_overs, UNANSWERED, 10.0)
    hand_overs.forget("hq/1")
    assert list(hand_overs.due()) == []


def test_a_replaced_sa_is_told_once(hand_overs: HandOvers) -> None:
    other = by_tunnel([ike(CHILD, version=b"1", initiator_spi=b"ffff000000000000")])["hq/1"]
    seen = [hand_overs.replaced({"hq/1": sas}) for sas in (UP, UP, other, other)]
    assert seen == [(), (), ("hq/1",), ()]


def test_a_silent_peer_is_dead_after_the_first_wait_and_all_repetitions() -> None:
    assert silence_s(Retransmission(timeout_s=2.0, base=1.0, tries=2)) == 6.0
    assert silence_s(Retransmission(timeout_s=1.0, base=2.0, tries=2)) == 7.0

from dataclasses import replace

from test_endpoint_connections import TUNNEL
from test_endpoint_security_associations import CHILD, ike

from endpoint.initiation import FIRST_RETRY_S, LONGEST_RETRY_S, LOOK_AGAIN_S, Attempt, initiates
from endpoint.security_associations import by_tunnel

UP = by_tunnel([ike(CHILD)])["hq/1"]
CHILDLESS = by_tunnel([ike()])["hq/1"]
CONNECTING = by_tunnel([ike(state=b"CONNECTING")])["hq/1"]


def test_a_tunnel_without_sas_is_initiated_at_once():
    start, attempt = initiates(TUNNEL, None, Attempt(), 100.0)
    assert start
    assert attempt == Attempt(1, 100.0 + FIRST_RETRY_S)


def test_a_tunnel_that_is_up_needs_nothing():
    assert initiates(TUNNEL, UP, Attempt(3, 50.0), 100.0) == (False, None)


def test_the_end_that_waits_never_initiates_nor_does_one_that_is_administratively_down():
    assert initiates(replace(TUNNEL, initiate=False), None, Attempt(), 100.0) == (False, None)
    assert initiates(replace(TUNNEL, admin_up=False), None, Attempt(), 100.0) == (False, None)


def test_nothing_is_started_while_charon_negotiates():
    assert initiates(TUNNEL, CONNECTING, Attempt(), 100.0) == (False, Attempt(0, 100.0 + LOOK_AGAIN_S))


def test_a_missing_child_of_an_established_ike_sa_is_initiated():
    assert initiates(TUNNEL, CHILDLESS, Attempt(), 100.0)[0]


def test_pauses_double_up_to_a_limit():
    attempt, now, pauses = Attempt(), 100.0, []
    for _ in range(12):
        start, next_attempt = initiates(TUNNEL, None, attempt, now)
        assert start
        assert next_attempt is not None
        assert initiates(TUNNEL, None, next_attempt, next_attempt.not_before - 0.01) == (False, next_attempt)
        pauses.append(next_attempt.not_before - now)
        attempt, now = next_attempt, next_attempt.not_before
    assert pauses[:3] == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S]
    assert max(pauses) == pauses[-1] == LONGEST_RETRY_S

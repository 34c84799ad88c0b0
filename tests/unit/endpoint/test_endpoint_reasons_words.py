"""charon's messages, as 5.9.8 and 6.0.1 write them, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_endpoint_connections import TUNNEL

from endpoint.reasons import Reasons, printable, reason_in


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("received NO_PROPOSAL_CHOSEN notify error", "NO_PROPOSAL_CHOSEN from the peer"),
        ("received NO_PROPOSAL_CHOSEN error notify", "NO_PROPOSAL_CHOSEN from the peer"),
        ("received AUTHENTICATION_FAILED notify error", "AUTHENTICATION_FAILED from the peer"),
        ("received TS_UNACCEPTABLE notify, no CHILD_SA built", "TS_UNACCEPTABLE from the peer for the child SA"),
        (
            "no IKE config found for 198.51.100.10...203.0.113.10, sending NO_PROPOSAL_CHOSEN",
            "no tunnel is configured from 198.51.100.10 to 203.0.113.10 for what 203.0.113.10 asks",
        ),
        ("tried 1 shared key for 'a' - 'b', but MAC mismatched", "the pre-shared keys of 'a' - 'b' differ"),
        ("no shared key found for 'a' - 'b'", "no pre-shared key for 'a' - 'b'"),
        (
            "traffic selectors 10.9.0.0/16 === 10.1.0.0/16 unacceptable",
            "the peer's traffic selectors 10.9.0.0/16 === 10.1.0.0/16 are unacceptable",
        ),
        ("giving up after 3 retransmits", "no answer from the peer, gave up after 3 retransmits"),
        ("message parsing failed", "a message cannot be decrypted; with IKEv1: different keys"),
        ("received DELETE for IKE_SA hq/1[1]", "the peer deleted the IKE_SA"),
        ("unable to install IPsec policies (SPD) in kernel", "the kernel refuses IPsec policies (SPD)"),
        ("received FRAGMENTATION vendor ID", None),
        ("peer didn't accept DH group MODP_2048, it requested ECP_256", None),
        ("selected proposal: ESP:AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ", None),
    ],
)
def test_a_message_in_words(message, words):
    assert reason_in(message) == words


def test_two_proposals_make_one_reason():
    reasons = Reasons()
    for message in (b"received proposals: ESP:A", b"configured proposals: ESP:B", b"no acceptable proposal found"):
        reasons.hear({"msg": message, "ikesa-name": b"hq/1", "ikesa-uniqueid": b"1"}, [TUNNEL])
    assert reasons.last == {"hq/1": "the peer proposes ESP:A; configured here: ESP:B"}


def test_a_retransmission_is_a_reason_but_no_failure():
    reasons = Reasons()
    event = {"msg": b"retransmit 2 of request with message ID 0", "ikesa-name": b"hq/1", "ikesa-uniqueid": b"1"}
    assert reasons.hear(event, [TUNNEL]) == ()
    assert reasons.last == {"hq/1": "no answer from the peer, retransmit 2"}


@given(st.binary(max_size=1000), st.binary(max_size=20), st.binary(max_size=20))
def test_no_bytes_of_a_peer_disturb(message, name, number):
    Reasons().hear({"msg": message, "ikesa-name": name, "ikesa-uniqueid": number}, [TUNNEL])
    text = printable(message)
    assert len(text) <= 300
    assert text.isprintable()

from ipaddress import IPv4Address, IPv4Interface

from endpoint.plan import TunnelPlan
from endpoint.reasons import Reasons, is_noise

TUNNEL = TunnelPlan(
    name="hq-1",
    interface="xfrm1",
    if_id=1,
    local_address=IPv4Address("198.51.100.10"),
    remote_address=IPv4Address("203.0.113.10"),
    local_id="198.51.100.10",
    remote_id="203.0.113.10",
    inner=IPv4Interface("169.254.10.1/30"),
    peer_inner=IPv4Address("169.254.10.2"),
    inner_mtu=1400,
    initiate=False,
)
IDENTITIES = "198.51.100.10[198.51.100.10]...203.0.113.10[someone]"
FIRST_PACKET = "received packet: from 203.0.113.10[500] to 198.51.100.10[500] (240 bytes)"


def hear(reasons, *messages):
    told = [reasons.hear({"msg": text.encode(), "ikesa-uniqueid": b"7"}, (TUNNEL,)) for text in messages]
    return [name for names in told for name in names]


def test_looking_for_a_tunnel_is_no_failure():
    reasons = Reasons()
    assert hear(reasons, FIRST_PACKET, f"looking for peer configs matching {IDENTITIES}") == []
    assert reasons.last == {}


def test_a_tunnel_that_is_not_found_is_a_failure_with_what_was_looked_for():
    reasons = Reasons()
    looked = (FIRST_PACKET, f"looking for peer configs matching {IDENTITIES}", "no matching peer config found")
    assert hear(reasons, *looked) == ["hq-1"]
    assert reasons.last == {"hq-1": f"no tunnel matches the addresses and identities {IDENTITIES}"}


def test_dead_peer_detection_is_noise_and_the_first_packet_of_a_peer_is_not():
    assert is_noise(b"\x07\x03log\x03\x03msg\x00\x13sending DPD request")
    assert is_noise(b"\x03\x03msg\x00\x2aparsed INFORMATIONAL response 76 [ ]")
    assert is_noise(b"\x03\x0aikesa-name\x00\x04hq-1\x03\x03msg\x00\x2a" + FIRST_PACKET.encode())
    assert not is_noise(b"\x03\x03msg\x00\x2a" + FIRST_PACKET.encode())
    assert not is_noise(b"\x03\x0aikesa-name\x00\x09(unnamed)\x03\x03msg\x00\x2a" + FIRST_PACKET.encode())
    assert not is_noise(b"\x03\x03msg\x00\x2aparsed INFORMATIONAL response 76 [ N(INVAL_SYN) ]")
    assert not is_noise(b"\x03\x0aikesa-name\x00\x04hq-1\x03\x03msg\x00\x2agiving up after 3 retransmits")

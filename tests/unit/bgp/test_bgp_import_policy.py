from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from bgp.import_policy import LONGEST_AS_PATH, Session, reason_to_refuse
from bgp.path import AsPath, Attributes

PEER = IPv4Address("169.254.10.5")
SESSION = Session(local_as=65000, peer_as=65010, peer_address=PEER)
GOOD = IPv4Network("10.1.0.0/16")


def reason(as_path: AsPath = (65010,), prefix: str = "10.1.0.0/16", next_hop: IPv4Address = PEER) -> str | None:
    return reason_to_refuse(SESSION, IPv4Network(prefix), Attributes(next_hop, as_path))


@pytest.mark.parametrize("as_path", [(65010,), (65010, 64512), (65010, (64512, 64513))])
@pytest.mark.parametrize("prefix", ["10.1.0.0/16", "0.0.0.0/0", "192.0.2.0/24", "8.0.0.0/5"])
def test_ordinary_announcements_are_taken(as_path: AsPath, prefix: str) -> None:
    assert reason(as_path, prefix) is None


@pytest.mark.parametrize("as_path", [(65010, 65000), (65010, (64512, 65000)), (65010, 64512, 65000, 64513)])
def test_a_path_through_our_own_as_is_refused(as_path: AsPath) -> None:
    assert reason(as_path) == "the AS_PATH contains our own AS 65000: a loop"


@pytest.mark.parametrize("as_path", [(), (64512,), (64512, 65010), ((65010,),)])
def test_a_path_that_does_not_start_with_the_peer_is_refused(as_path: AsPath) -> None:
    assert reason(as_path) == "the AS_PATH does not start with the peer's AS 65010"


def test_a_third_partys_next_hop_is_refused() -> None:
    assert reason(next_hop=IPv4Address("192.0.2.1")) == "the next hop 192.0.2.1 is not the peer's address 169.254.10.5"


def test_an_endless_path_is_refused() -> None:
    assert reason((65010,) * (LONGEST_AS_PATH + 1)) == "the AS_PATH holds more than 255 ASes"


@pytest.mark.parametrize(
    "prefix", ["0.1.0.0/16", "127.0.0.0/8", "169.254.10.4/30", "224.0.0.0/4", "255.255.255.255/32"]
)
def test_martians_are_refused(prefix: str) -> None:
    assert (reason(prefix=prefix) or "").startswith("a martian: it lies in ")

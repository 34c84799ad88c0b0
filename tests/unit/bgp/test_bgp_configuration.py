from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from bgp.configuration import (
    PREFIXES_A_LINE,
    announce,
    keepalive_noted,
    reason_not_to_configure,
    render,
    withdraw,
)
from bgp.plan import NeighborPlan, SpeakerPlan

T1 = NeighborPlan(
    "hq/1", "xfrm1", IPv4Address("169.254.10.2"), IPv4Address("169.254.10.1"), peer_as=65010, hold_time_s=30
)
T2 = replace(
    T1,
    name="hq/2",
    interface="xfrm2",
    local_address=IPv4Address("169.254.10.6"),
    peer_address=IPv4Address("169.254.10.5"),
    passive=True,
    hold_time_s=0,
)
PLAN = SpeakerPlan(local_as=65000, router_id=IPv4Address("203.0.113.10"), neighbors=(T1, T2))


def test_the_configuration_is_the_golden_one() -> None:
    assert render(PLAN, PLAN.neighbors) == Path(__file__).with_name("exabgp.conf").read_text()


def test_a_neighbor_may_know_us_by_another_as() -> None:
    text = render(PLAN, (T1, replace(T2, local_as=64512)))
    assert [line.strip() for line in text.splitlines() if "local-as" in line] == ["local-as 65000;", "local-as 64512;"]
    other_as_is_ours = replace(T2, local_as=64512, peer_as=65000)
    assert reason_not_to_configure(replace(PLAN, neighbors=(T1, other_as_is_ours)), other_as_is_ours) is None


def test_a_keepalive_interval_of_its_own_stands_in_the_neighbor_s_description() -> None:
    (line,) = [line for line in render(PLAN, (T1, replace(T2, keepalive_s=4))).splitlines() if "description" in line]
    assert keepalive_noted(line.split('"')[1]) == 4
    assert keepalive_noted("") is None


def test_prefixes_go_out_in_bulk_to_their_neighbor_alone() -> None:
    prefixes = tuple(IPv4Network("10.0.0.0/8").subnets(new_prefix=17))[: PREFIXES_A_LINE + 1]
    first, second = announce(PLAN, T1, prefixes)
    assert first.startswith("neighbor 169.254.10.1 announce attributes next-hop self nlri 10.0.0.0/17 10.0.128.0/17 ")
    assert second == f"neighbor 169.254.10.1 announce attributes next-hop self nlri {prefixes[-1]}"
    assert list(withdraw(T1, prefixes[:1])) == [
        "neighbor 169.254.10.1 withdraw attributes next-hop self nlri 10.0.0.0/17"
    ]
    assert list(announce(PLAN, T1, ())) == []


def test_a_prepended_as_path_is_given_whole_with_the_as_that_the_neighbor_knows():
    (command,) = announce(PLAN, replace(T1, local_as=64512, prepend=2), [IPv4Network("10.0.0.0/8")])
    way = "next-hop self as-path [ 64512 64512 64512 ]"
    assert command == f"neighbor {T1.peer_address} announce attributes {way} nlri 10.0.0.0/8"


@pytest.mark.parametrize(
    ("neighbor", "reason"),
    [
        (replace(T2, hold_time_s=2), "a hold time of 2 s is not allowed; use 0 or 3 to 65535 (RFC 4271 section 4.2)"),
        (replace(T2, hold_time_s=65536), "a hold time of 65536 s is not allowed; use 0 or 3 to 65535 (RFC 4271"),
        (replace(T2, hold_time_s=9, keepalive_s=9), "a keepalive every 9 s does not keep a hold time of 9 s"),
        (replace(T2, peer_as=65000), "the peer's AS 65000 is our own; only eBGP is spoken here"),
        (replace(T2, local_as=65010), "the peer's AS 65010 is our own; only eBGP is spoken here"),
        (replace(T2, peer_address=T1.peer_address), "its peer address 169.254.10.1 is that of neighbor hq/1"),
    ],
)
def test_what_would_spoil_the_whole_file_is_left_out_with_a_reason(neighbor: NeighborPlan, reason: str) -> None:
    plan = replace(PLAN, neighbors=(T1, neighbor))
    assert (reason_not_to_configure(plan, neighbor) or "").startswith(reason)
    assert reason_not_to_configure(plan, T1) is None

"""The tunnels of a first creation, and haStatus."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from lab.cloud.high_availability import AddressPair, HaStatus, ha_status, initial_pairs
from lab.cloud.tunnel_status import Status
from lab.plan.tunnels import connections
from lab.spec.load import REFERENCE, parse_topology

CLOUD = (IPv4Address("203.0.113.10"), IPv4Address("203.0.113.20"))
CUSTOMER = tuple(IPv4Address(f"198.51.100.{number}") for number in (10, 20, 30, 40))

PAIRINGS = {1: [(1, 1), (2, 1)], 2: [(1, 1), (2, 2)], 4: [(1, 1), (1, 2), (2, 3), (2, 4)]}


@pytest.mark.parametrize(("addresses", "pairing"), PAIRINGS.items())
def test_first_tunnels_are_paired_as_in_the_cloud_s_table(addresses: int, pairing: list[tuple[int, int]]) -> None:
    pairs = initial_pairs(CLOUD, CUSTOMER[:addresses])
    assert [(CLOUD.index(pair.cloud) + 1, CUSTOMER.index(pair.customer) + 1) for pair in pairs] == pairing


@pytest.mark.parametrize(("addresses", "pairing"), PAIRINGS.items())
def test_a_file_that_leaves_tunnels_out_gets_them(addresses: int, pairing: list[tuple[int, int]]) -> None:
    text = REFERENCE.read_text()
    head, _, tail = text.partition("      tunnels:  ")
    listed = ", ".join(map(str, CUSTOMER[:addresses]))
    head = head.replace("        - 198.51.100.10\n        - 192.0.2.10\n", f"          [{listed}]\n")
    (connection,) = connections(parse_topology((head + "idc:" + tail.partition("\nidc:")[2]).encode(), "f"))
    found = [
        (CLOUD.index(t.spec.cloud_address) + 1, CUSTOMER.index(t.spec.customer_address) + 1) for t in connection.tunnels
    ]
    assert found == pairing


def status_with(addresses: int, *tunnels: tuple[int, int, str]) -> HaStatus:
    known = [(AddressPair(CLOUD[c - 1], CUSTOMER[p - 1]), Status(state)) for c, p, state in tunnels]
    return ha_status(CLOUD, CUSTOMER[:addresses], known)


REDUNDANT = {
    "two addresses, each its tunnel": (2, (1, 1, "UP"), (2, 2, "UP")),
    "crossed": (2, (1, 2, "UP"), (2, 1, "UP")),
    "one of two tunnels of a cloud address is down": (4, (1, 1, "UP"), (1, 2, "DOWN"), (2, 3, "UP"), (2, 4, "UP")),
    "one tunnel of each cloud address is left": (4, (1, 1, "DOWN"), (1, 2, "UP"), (2, 3, "UP"), (2, 4, "DOWN")),
    "a common customer address beside another": (2, (1, 1, "UP"), (2, 1, "UP"), (2, 2, "DOWN")),
}


@pytest.mark.parametrize("case", REDUNDANT.values(), ids=REDUNDANT)
def test_redundancy(case: tuple[int, *tuple[tuple[int, int, str], ...]]) -> None:
    assert status_with(*case) is HaStatus.REDUNDANCY


NOT_REDUNDANT = {
    "no tunnel yet": (2,),
    "one customer address": (1, (1, 1, "UP"), (2, 1, "UP")),
    "both tunnels to one of two customer addresses": (2, (1, 1, "UP"), (2, 1, "UP")),
    "both tunnels from one cloud address": (2, (1, 1, "UP"), (1, 2, "UP")),
    "one tunnel is down": (2, (1, 1, "UP"), (2, 2, "DOWN")),
    "one cloud address has no tunnel up": (4, (1, 1, "DOWN"), (1, 2, "DOWN"), (2, 3, "UP"), (2, 4, "UP")),
    "all down": (2, (1, 1, "DOWN"), (2, 2, "DOWN")),
}


@pytest.mark.parametrize("case", NOT_REDUNDANT.values(), ids=NOT_REDUNDANT)
def test_no_redundancy(case: tuple[int, *tuple[tuple[int, int, str], ...]]) -> None:
    assert status_with(*case) is HaStatus.NO_REDUNDANCY


def test_the_words_are_the_cloud_s() -> None:
    assert (str(HaStatus.REDUNDANCY), str(HaStatus.NO_REDUNDANCY)) == ("redundancy", "no_redundancy")

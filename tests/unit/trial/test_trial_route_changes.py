"""Lines of `ip monitor route`, as iproute2 6.15 prints them."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from lab.trial.route_changes import RouteChange, route_change

PREFIX = IPv4Network("172.16.1.0/24")
BOTH = (
    "[2026-11-25T03:50:01.250000] 172.16.1.0/24 proto bgp metric 20 \\\tnexthop via 169.254.10.1 dev xfrm1 weight 1 "
    "\\\tnexthop via 169.254.10.5 dev xfrm2 weight 1 "
)
ONE = "[2026-11-25T03:50:01.250000] 172.16.1.0/24 via 169.254.10.5 dev xfrm2 proto bgp metric 20 "
GONE = "[2026-11-25T03:50:01.250000] Deleted 172.16.1.0/24 via 169.254.10.5 dev xfrm2 proto 186 metric 20 "
AT = 1795578601.25


@pytest.mark.parametrize(("line", "interfaces"), [(BOTH, ("xfrm1", "xfrm2")), (ONE, ("xfrm2",)), (GONE, ())])
def test_a_change_is_a_route_as_it_is_from_then_on(line: str, interfaces: tuple[str, ...]) -> None:
    assert route_change("bgw1", line) == RouteChange("bgw1", AT, PREFIX, interfaces)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[2026-11-25T03:50:01.250000] Deleted local 198.51.100.10 dev wan1 table local proto kernel scope host",
        "[2026-11-25T03:50:01.250000] 169.254.10.0/30 dev xfrm1 proto kernel scope link src 169.254.10.1",
        "[2026-11-25T03:50:01.250000] default via 198.51.100.9 dev wan1 table 101 proto static",
        "Dump was interrupted",
    ],
)
def test_what_is_no_change_of_forwarding_is_passed_over(line: str) -> None:
    assert route_change("bgw1", line) is None


def test_the_default_route_is_everything() -> None:
    change = route_change(
        "hq-gw", "[2026-11-25T03:50:01.250000] default via 169.254.10.2 dev xfrm1 proto static metric 10 "
    )
    assert change is not None
    assert change.destination == IPv4Network("0.0.0.0/0")

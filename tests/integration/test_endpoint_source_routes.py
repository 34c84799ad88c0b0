"""Policy routing in a network namespace of this host: source routes, and a pin over them."""

import os
import subprocess
from ipaddress import IPv4Address, IPv4Interface

import pytest
from endpoint_trials import inside
from pyroute2 import IPRoute, netns

from endpoint.errors import EndpointError
from endpoint.interfaces import apply_interfaces
from endpoint.plan import InterfacePlan, SourceRoute
from endpoint.source_routes import apply_source_routes
from lab.runtime.pin import pinned

MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
FIRST, SECOND = SourceRoute(IPv4Address("192.0.2.1"), "wan1"), SourceRoute(IPv4Address("198.51.100.1"), "wan2")
BOTH = ["from 192.0.2.1 lookup 1000", "from 198.51.100.1 lookup 1001"]


@pytest.fixture(autouse=True)
def namespace():
    if os.geteuid() != 0:
        pytest.skip("this is not root, so no network namespace can be created")
    name = f"policy-{os.getpid()}"
    try:
        netns.create(name)
    except OSError as error:
        pytest.skip(f"no network namespace can be created: {error}")
    try:
        with inside(name):
            with IPRoute() as ip:
                ip.link("add", ifname="a", kind="veth", address=MACS[0], peer={"ifname": "b", "address": MACS[1]})
            apply_interfaces(ports())
            if subprocess.run(["/usr/sbin/ip", "rule"], capture_output=True, check=False).returncode != 0:
                pytest.skip("this kernel has no policy rules")
            yield
    finally:
        netns.remove(name)


def ports(*, second_up=True):
    return [
        InterfacePlan("wan1", MACS[0], (IPv4Interface("192.0.2.1/32"),), mtu=1500),
        InterfacePlan("wan2", MACS[1], (IPv4Interface("198.51.100.1/32"),), mtu=1500, up=second_up),
    ]


def shown(*what):
    done = subprocess.run(["/usr/sbin/ip", *what], capture_output=True, text=True, check=True)
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def rules(priority=1000):
    return [line.partition(": ")[2] for line in shown("rule") if line.startswith(f"{priority}:")]


def way_from(source):
    return shown("route", "get", "203.0.113.9", "from", str(source))[0]


def test_what_starts_at_an_address_leaves_by_its_port():
    apply_source_routes((FIRST, SECOND))
    assert rules() == BOTH
    assert "dev wan1" in way_from(FIRST.source)
    assert "dev wan2" in way_from(SECOND.source)


def test_a_second_call_adds_no_second_rule():
    for _ in range(2):
        apply_source_routes((FIRST, SECOND))
    assert rules() == BOTH


def test_what_is_no_longer_wanted_goes():
    apply_source_routes((FIRST, SECOND))
    apply_source_routes((SECOND,))
    assert rules() == ["from 198.51.100.1 lookup 1000"]
    assert "dev wan2" in way_from(SECOND.source)
    apply_source_routes(())
    assert rules() == []


def test_a_port_that_was_down_has_its_route_again_with_the_next_call():
    apply_source_routes((FIRST, SECOND))
    apply_interfaces(ports(second_up=False))
    apply_source_routes((FIRST, SECOND))
    assert shown("route", "show", "table", "1001") == []
    apply_interfaces(ports())
    apply_source_routes((FIRST, SECOND))
    assert "dev wan2" in way_from(SECOND.source)


def test_an_unknown_port_is_named():
    with pytest.raises(EndpointError, match="no interface wan3"):
        apply_source_routes((SourceRoute(FIRST.source, "wan3"),))


def test_a_pin_holds_while_the_block_runs_and_takes_a_killed_one_away():
    pair = (FIRST.source, IPv4Address("203.0.113.9"))
    with pinned("wan2", *pair), pinned("wan1", *pair):  # the inner one finds the outer one there
        assert rules(7001) == ["from 192.0.2.1 to 203.0.113.9 ipproto icmp lookup 7001"]
        assert shown("route", "show", "table", "7001")[0].startswith("default dev wan1")
    assert rules(7001) == []

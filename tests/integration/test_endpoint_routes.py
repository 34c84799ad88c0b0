"""Kernel routes by difference, in a network namespace of this host."""

import os
import time
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from endpoint_trials import inside
from pyroute2 import IPRoute, netns

from endpoint.interfaces import apply_interfaces, observe_interfaces
from endpoint.plan import InterfacePlan, NextHop
from endpoint.routes import BGP, STATIC, routes, set_routes

MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
PREFIX = IPv4Network("192.168.0.0/24")
LEFT, RIGHT = NextHop("left", IPv4Address("10.0.0.2")), NextHop("right", IPv4Address("10.0.1.2"))


@pytest.fixture
def namespace():
    if os.geteuid() != 0:
        pytest.skip("this is not root, so no network namespace can be created")
    name = f"routes-{os.getpid()}"
    try:
        netns.create(name)
    except OSError as error:
        pytest.skip(f"no network namespace can be created: {error}")
    try:
        with inside(name):
            with IPRoute() as ip:
                peer = {"ifname": "b", "address": MACS[1]}
                ip.link("add", ifname="a", kind="veth", address=MACS[0], peer=peer)
            apply_interfaces(plans())
            yield
    finally:
        netns.remove(name)


def plans(left="left", right="right"):
    return [
        InterfacePlan(left, MACS[0], (IPv4Interface("10.0.0.1/24"),), mtu=1400),
        InterfacePlan(right, MACS[1], (IPv4Interface("10.0.1.1/24"),), mtu=1500),
    ]


@pytest.mark.usefixtures("namespace")
def test_interfaces_are_found_by_mac_and_may_swap_their_names():
    before = {port.name: port for port in observe_interfaces()}
    assert (before["left"].mtu, before["left"].up) == (1400, True)
    assert before["left"].addresses == (IPv4Interface("10.0.0.1/24"),)
    apply_interfaces(plans("right", "left"))
    after = {port.name: port for port in observe_interfaces()}
    assert (after["right"].mtu, after["right"].addresses) == (1400, (IPv4Interface("10.0.0.1/24"),))
    apply_interfaces(plans("right", "left"))
    assert {port.name: port.addresses for port in observe_interfaces()} == {p.name: p.addresses for p in after.values()}


@pytest.mark.usefixtures("namespace")
def test_a_route_without_a_neighbor_is_removed_like_any_other():
    assert not set_routes({PREFIX: (NextHop("left"),)}, STATIC).failed
    changes = set_routes({}, STATIC)
    assert (changes.removed, dict(changes.failed), routes(STATIC)) == ((PREFIX,), {}, {})


def test_a_namespace_in_which_nothing_was_ever_up_has_no_routes():
    if os.geteuid() != 0:
        pytest.skip("this is not root, so no network namespace can be created")
    name = f"routes-none-{os.getpid()}"
    netns.create(name)
    try:
        with inside(name):
            assert routes(STATIC) == {}
    finally:
        netns.remove(name)


@pytest.mark.usefixtures("namespace")
def test_a_second_call_changes_nothing():
    wanted = {PREFIX: (LEFT, RIGHT), IPv4Network("10.9.0.0/16"): (NextHop("right"),)}
    assert set_routes(wanted, BGP).added == tuple(wanted)
    again = set_routes(wanted, BGP)
    assert (again.added, again.replaced, again.removed, dict(again.failed)) == ((), (), (), {})
    assert {prefix: set(hops) for prefix, hops in routes(BGP).items()} == {p: set(h) for p, h in wanted.items()}


@pytest.mark.usefixtures("namespace")
def test_a_route_moves_from_two_next_hops_to_one_and_goes():
    set_routes({PREFIX: (LEFT, RIGHT)}, BGP)
    assert set_routes({PREFIX: (RIGHT,)}, BGP).replaced == (PREFIX,)
    assert routes(BGP) == {PREFIX: (RIGHT,)}
    assert set_routes({}, BGP).removed == (PREFIX,)
    assert routes(BGP) == {}


@pytest.mark.usefixtures("namespace")
def test_what_is_known_need_not_be_read_and_what_is_present_afterwards_is_told():
    other = IPv4Network("10.9.0.0/16")
    present = set_routes({PREFIX: (LEFT,)}, BGP).present
    assert present == {PREFIX: (LEFT,)}
    present = set_routes({other: (RIGHT,), PREFIX: (RIGHT,)}, BGP, present).present
    assert present == routes(BGP) == {other: (RIGHT,), PREFIX: (RIGHT,)}
    changes = set_routes({other: (NextHop("nowhere"),)}, BGP, present)
    assert (set(changes.removed), changes.present) == ({PREFIX, other}, {})
    assert routes(BGP) == {}


@pytest.mark.usefixtures("namespace")
def test_routes_of_another_origin_are_left_alone():
    set_routes({PREFIX: (LEFT,)}, STATIC)
    set_routes({PREFIX: (RIGHT,)}, BGP)
    set_routes({}, BGP)
    assert routes(STATIC) == {PREFIX: (LEFT,)}
    connected = set_routes({IPv4Network("10.0.0.0/24"): (RIGHT,)}, STATIC)
    assert connected.removed == (PREFIX,)
    with IPRoute() as ip:
        kernels = ip.get_routes(family=2, table=254, proto=2)
    assert len(kernels) == 2, "the kernel's own routes to connected networks stay"


@pytest.mark.usefixtures("namespace")
def test_a_prefix_that_fails_is_named_and_the_others_are_set():
    unreachable, unknown = IPv4Network("10.8.0.0/16"), IPv4Network("10.7.0.0/16")
    changes = set_routes(
        {
            unreachable: (NextHop("left", IPv4Address("10.0.77.1")),),
            unknown: (NextHop("nowhere"),),
            PREFIX: (LEFT,),
        },
        STATIC,
    )
    assert changes.added == (PREFIX,)
    assert changes.failed == {unreachable: "Network is unreachable", unknown: "no interface nowhere"}


@pytest.mark.usefixtures("namespace")
def test_ten_thousand_routes_are_set_and_moved_quickly():
    prefixes = [IPv4Network(((10 << 24) + (1 << 20) + (number << 6), 26)) for number in range(10_000)]
    started = time.monotonic()
    assert len(set_routes(dict.fromkeys(prefixes, (LEFT,)), BGP).added) == len(prefixes)
    assert len(set_routes(dict.fromkeys(prefixes, (RIGHT,)), BGP).replaced) == len(prefixes)
    assert len(set_routes({}, BGP).removed) == len(prefixes)
    assert time.monotonic() - started < 20, "one by one over pyroute2 this takes longer"

"""Two speakers, two real ExaBGPs, in two network namespaces joined by veths."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from speaker_nodes import DEADLINE_S, Node, Seen

from bgp.path import Path as BgpPath
from bgp.plan import NeighborPlan, SpeakerPlan
from bgp.preload import preload

SCHEDULING_S = 0.9
"""Seconds that a timer may be late here: ExaBGP looks five times a second, and the host is busy (chosen: less than the
whole second by which it is late with timers of its own)."""

LANS = tuple(IPv4Network("10.1.0.0/16").subnets(new_prefix=26))
VPC = IPv4Network("172.16.0.0/24")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)  # noqa: S607 - PATH decides


@pytest.fixture(scope="module")
def namespaces() -> Iterator[tuple[str, str]]:
    names = (f"bgpt{os.getpid()}a", f"bgpt{os.getpid()}b")
    made = []
    try:
        for name in names:
            try:
                ip("netns", "add", name)
            except (OSError, subprocess.CalledProcessError) as error:
                reason = getattr(error, "stderr", None) or error
                pytest.skip(f"no network namespace can be made here (ip netns add): {reason}")
            made.append(name)
        for number in (1, 2):
            ip("link", "add", f"t{number}", "netns", names[0], "type", "veth", "peer", f"t{number}", "netns", names[1])
            for name, host in zip(names, (2, 1), strict=True):
                ip("-n", name, "address", "add", f"169.254.10.{4 * number + host}/30", "dev", f"t{number}")
                ip("-n", name, "link", "set", f"t{number}", "up")
        yield names
    finally:
        for name in made:
            ip("netns", "delete", name)


@pytest.fixture
def nodes(namespaces: tuple[str, str], tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    preload()
    cloud, idc = (Node(name, tmp_path / side) for name, side in zip(namespaces, ("cloud", "idc"), strict=True))
    yield cloud, idc
    pids = [node.seen.report.pid for node in (cloud, idc) if node.seen and node.seen.report.pid]
    cloud.stop()
    idc.stop()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def neighbor(
    side: str, number: int = 1, *, announce: tuple[IPv4Network, ...] = (), hold_time_s: int = 9
) -> NeighborPlan:
    cloud, idc = (IPv4Address(f"169.254.10.{4 * number + host}") for host in (2, 1))
    return NeighborPlan(
        name=f"t{number}",
        interface=f"t{number}",
        local_address=cloud if side == "cloud" else idc,
        peer_address=idc if side == "cloud" else cloud,
        peer_as=65010 if side == "cloud" else 65000,
        hold_time_s=hold_time_s,
        passive=side == "idc",
        announce=announce,
    )


def speaker_plan(side: str, *neighbors: NeighborPlan, max_prefixes: int | None = 300) -> SpeakerPlan:
    return SpeakerPlan(
        local_as=65000 if side == "cloud" else 65010,
        router_id=IPv4Address("203.0.113.10" if side == "cloud" else "198.51.100.10"),
        neighbors=neighbors,
        max_prefixes=max_prefixes,
    )


def with_neighbor(plan: SpeakerPlan, *neighbors: NeighborPlan) -> SpeakerPlan:
    return replace(plan, neighbors=neighbors)


CLOUD = speaker_plan("cloud", neighbor("cloud", announce=(VPC,)))
IDC = speaker_plan("idc", neighbor("idc", announce=LANS[:3]))


def bring_up(cloud: Node, idc: Node, cloud_plan: SpeakerPlan = CLOUD, idc_plan: SpeakerPlan = IDC) -> None:
    idc.apply(idc_plan)
    idc.until("its ExaBGP", lambda seen: seen.report.pid is not None)
    cloud.apply(cloud_plan)
    for planned in cloud_plan.neighbors:
        cloud.until("Established", lambda seen, name=planned.name: seen.established(name))
        idc.until("Established", lambda seen, name=planned.name: seen.established(name))


def has(*prefixes: IPv4Network) -> Callable[[Seen], bool]:
    return lambda seen: set(seen.routes) == set(prefixes)


def test_sessions_establish_and_routes_go_both_ways(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc)
    cloud.until("the IDC's routes", has(*LANS[:3]))
    seen = idc.until("the VPC's route", has(VPC))
    assert seen.routes[VPC] == (BgpPath("t1", "t1", IPv4Address("169.254.10.6"), (65000,), None),)
    assert seen.session().announced == LANS[:3]
    cloud.until("End-of-RIB", lambda seen: seen.session().complete)


def test_a_session_may_have_an_as_of_its_own_on_our_side(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    tunnels = (neighbor("cloud", 1, announce=(VPC,)), replace(neighbor("cloud", 2, announce=(VPC,)), local_as=64512))
    idc_plan = speaker_plan("idc", neighbor("idc", 1), replace(neighbor("idc", 2), peer_as=64512))
    bring_up(cloud, idc, speaker_plan("cloud", *tunnels), idc_plan)
    seen = idc.until("both paths", lambda seen: [len(paths) for paths in seen.routes.values()] == [2])
    assert [(path.neighbor, path.as_path) for path in seen.routes[VPC]] == [("t1", (65000,)), ("t2", (64512,))]


def test_two_tunnels_are_used_together_and_one_of_them_alone_when_the_other_is_reset(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    cloud_plan = speaker_plan("cloud", *(neighbor("cloud", n, announce=(VPC,)) for n in (1, 2)))
    idc_plan = speaker_plan("idc", *(neighbor("idc", n, announce=LANS[:2]) for n in (1, 2)))
    bring_up(cloud, idc, cloud_plan, idc_plan)
    ecmp = cloud.until("two paths", lambda seen: [len(paths) for paths in seen.routes.values()] == [2, 2])
    assert [path.interface for path in ecmp.routes[LANS[0]]] == ["t1", "t2"]
    since = ecmp.session("t2").since

    cloud.reset("t1")
    alone = cloud.until("t2 alone", lambda seen: not seen.established("t1"))
    assert {path.neighbor for paths in alone.routes.values() for path in paths} == {"t2"}
    idc.until("the lost session", lambda seen: not seen.established("t1"))
    again = cloud.until("two paths", lambda seen: [len(paths) for paths in seen.routes.values()] == [2, 2])
    assert again.session("t2").since == since
    assert cloud.texts("lost") == ["the session was reset"]


def test_a_killed_exabgp_is_reported_and_started_again(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc)
    for killed, other in ((cloud, idc), (idc, cloud)):
        pid = killed.until("routes", lambda seen: bool(seen.routes)).report.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        dead = killed.until("the death", lambda seen: seen.report.last_exit is not None)
        assert dead.report.last_exit == "killed by SIGKILL"
        assert (dead.routes, dead.report.restarts) == ({}, 1)
        other.until("the lost session", lambda seen: not seen.established())
        again = killed.until("routes again", lambda seen: bool(seen.routes))
        assert again.report.pid not in (None, pid)
        other.until("routes again", lambda seen: bool(seen.routes))


def test_exabgp_dies_with_the_process_that_started_it(nodes: tuple[Node, Node], namespaces: tuple[str, str]) -> None:
    cloud, _ = nodes
    other = Node(namespaces[1], cloud.directory.parent / "other")
    other.apply(IDC)
    pid = other.until("its ExaBGP", lambda seen: seen.report.pid is not None).report.pid
    assert pid is not None
    handle = os.pidfd_open(pid)
    os.kill(other.pid, signal.SIGKILL)
    os.waitpid(other.pid, 0)
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        assert selector.select(DEADLINE_S), "ExaBGP outlived its parent"
    os.close(handle)


def test_changed_announcements_reach_the_peer_and_the_session_stays(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc)
    since = cloud.until("three prefixes", has(*LANS[:3])).session().since
    idc.apply(with_neighbor(IDC, neighbor("idc", announce=LANS[2:700])))
    assert cloud.until("the limit", lambda seen: len(seen.routes) == 300).session().since == since
    idc.apply(with_neighbor(IDC, neighbor("idc", announce=())))
    assert cloud.until("no routes", has()).session().since == since


def test_withdrawn_while_the_session_was_down_is_not_announced_again(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc)
    cloud.until("three prefixes", has(*LANS[:3]))
    cloud.apply(with_neighbor(CLOUD))
    idc.until("the lost session", lambda seen: not seen.established())
    idc.apply(with_neighbor(IDC, neighbor("idc", announce=LANS[1:2])))
    idc.settle(0.2)
    cloud.apply(CLOUD)
    cloud.until("one prefix", lambda seen: has(LANS[1])(seen) and seen.session().complete)
    cloud.settle(0.3)
    assert cloud.seen is not None
    assert has(LANS[1])(cloud.seen)


def test_prefix_301_is_refused_and_the_session_kept_and_taken_in_when_there_is_room(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc, idc_plan=speaker_plan("idc", neighbor("idc", announce=LANS[:301])))
    full = cloud.until("301 prefixes", lambda seen: seen.session().refused_count == 1)
    assert full.established()
    assert len(full.routes) == 300
    (refused,) = full.session().refused
    assert (refused.prefix, refused.reason) == (LANS[300], "the limit of 300 prefixes is reached")
    assert cloud.texts("route-refused") == ["1 prefixes over the limit of 300 prefixes; they wait for room"]
    idc.apply(speaker_plan("idc", neighbor("idc", announce=LANS[1:301])))
    cloud.until("the other 300", has(*LANS[1:301]))


def test_a_peer_that_announced_more_than_is_kept_is_asked_again_when_there_is_room(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    cloud_plan = speaker_plan("cloud", neighbor("cloud"), max_prefixes=5)
    bring_up(cloud, idc, cloud_plan, speaker_plan("idc", neighbor("idc", announce=LANS[:80])))
    assert cloud.until("75 refused", lambda seen: seen.session().refused_count == 75).established()
    idc.apply(speaker_plan("idc", neighbor("idc", announce=LANS[70:74])))
    cloud.until("what had not been kept", has(*LANS[70:74]))


def test_a_path_through_our_own_as_is_refused(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    third = speaker_plan("idc", replace(neighbor("idc", announce=LANS[:1]), peer_as=65000))
    bring_up(cloud, idc, idc_plan=third)
    cloud.until("one prefix", has(*LANS[:1]))
    # The IDC's speaker sends its routes with its own AS only; a loop is put in over its API.
    loop = "announce route 10.9.0.0/24 next-hop self as-path [ 65010 65000 ]"
    idc.say(f"neighbor 169.254.10.6 {loop}")
    idc.say("neighbor 169.254.10.6 announce route 10.9.1.0/24 next-hop 192.0.2.99")
    seen = cloud.until("two refusals", lambda seen: seen.session().refused_count == 2)
    assert has(*LANS[:1])(seen)
    assert {str(refused.prefix): refused.reason for refused in seen.session().refused} == {
        "10.9.0.0/24": "the AS_PATH contains our own AS 65000: a loop",
        "10.9.1.0/24": "the next hop 192.0.2.99 is not the peer's address 169.254.10.5",
    }


def test_a_silent_peer_is_lost_after_the_hold_time(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    cloud_plan = speaker_plan("cloud", neighbor("cloud", announce=(VPC,), hold_time_s=3))
    bring_up(cloud, idc, cloud_plan)
    idc_exabgp = idc.until("the route", has(VPC)).report.pid
    cloud.until("routes", has(*LANS[:3]))
    assert idc_exabgp is not None
    os.kill(idc_exabgp, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        lost = cloud.until("the hold timer", lambda seen: not seen.established())
        assert 1.5 < time.monotonic() - stopped < 3 + SCHEDULING_S
        assert lost.routes == {}
        assert cloud.texts("lost") == ["NOTIFICATION sent: hold timer expired (4/0)"]
    finally:
        os.kill(idc_exabgp, signal.SIGCONT)
    cloud.until("routes again", has(*LANS[:3]))


def test_a_session_that_is_switched_off_takes_its_leave(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc)
    cloud.until("routes", has(*LANS[:3]))
    idc.apply(with_neighbor(IDC, replace(IDC.neighbors[0], admin_up=False)))
    lost = cloud.until("the loss", lambda seen: not seen.established())
    assert lost.routes == {}
    (text,) = cloud.texts("lost")
    assert text.startswith("NOTIFICATION received: cease: administrative shutdown (6/2)")
    idc.apply(IDC)
    cloud.until("routes again", has(*LANS[:3]))


def test_a_wrong_as_is_told_in_words_on_both_sides(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    idc.apply(IDC)
    cloud.apply(speaker_plan("cloud", replace(neighbor("cloud"), peer_as=65011)))
    for node, way in ((cloud, "sent"), (idc, "received")):
        seen = node.until("the reason", lambda seen: "bad peer AS (2/2)" in (seen.session().reason or ""))
        assert (seen.session().reason or "").startswith(f"NOTIFICATION {way}: OPEN message error")
        assert seen.session().state == "connect"


def test_a_neighbor_is_added_and_taken_out_without_disturbing_the_other(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc)
    since = cloud.until("routes", has(*LANS[:3])).session().since
    pid = cloud.seen.report.pid if cloud.seen else None
    second = neighbor("cloud", 2, announce=(VPC,))
    idc.apply(with_neighbor(IDC, *IDC.neighbors, neighbor("idc", 2, announce=LANS[:3])))
    cloud.apply(with_neighbor(CLOUD, *CLOUD.neighbors, second))
    cloud.until("the second", lambda seen: seen.established("t2") and len(seen.routes.get(LANS[0], ())) == 2)
    cloud.apply(with_neighbor(CLOUD, *CLOUD.neighbors, replace(second, admin_up=False)))
    down = cloud.until("admin-down", lambda seen: seen.session("t2").state == "admin-down")
    assert len(down.routes[LANS[0]]) == 1
    idc.until("the lost session", lambda seen: not seen.established("t2"))
    cloud.settle(0.2)
    assert cloud.seen is not None
    assert (cloud.seen.session("t1").since, cloud.seen.report.pid) == (since, pid)


def test_taken_out_and_put_in_again_at_once_comes_up_afresh(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    bring_up(cloud, idc)
    cloud.until("routes", has(*LANS[:3]))
    for _ in range(5):
        cloud.apply(with_neighbor(CLOUD))
        cloud.apply(CLOUD)
    cloud.settle(0.1)
    cloud.until("routes again", has(*LANS[:3]))
    idc.until("the route", has(VPC))


def test_a_neighbor_whose_address_is_missing_or_whose_hold_time_is_wrong_does_not_hurt_the_others(
    nodes: tuple[Node, Node],
) -> None:
    cloud, idc = nodes
    lost = replace(
        neighbor("cloud", 7), local_address=IPv4Address("10.255.255.1"), peer_address=IPv4Address("10.255.255.2")
    )
    hasty = replace(neighbor("cloud", 2), hold_time_s=2)
    idc.apply(IDC)
    cloud.apply(with_neighbor(CLOUD, *CLOUD.neighbors, lost, hasty))
    seen = cloud.until("Established", lambda seen: seen.established())
    assert seen.session("t7").reason == "the local address 10.255.255.1 is on no interface here"
    assert "RFC 4271" in (seen.session("t2").reason or "")
    assert {seen.session(name).state for name in ("t7", "t2")} == {"idle"}


def test_thousands_of_prefixes_neither_fill_the_memory_nor_end_the_session(nodes: tuple[Node, Node]) -> None:
    cloud, idc = nodes
    many = tuple(IPv4Network("10.0.0.0/8").subnets(new_prefix=22))[:10_000]
    bring_up(cloud, idc, idc_plan=speaker_plan("idc", neighbor("idc", announce=many)))
    seen = cloud.until("all of them", lambda seen: seen.session().refused_count == 9_700)
    assert seen.established()
    assert (len(seen.routes), len(seen.session().refused)) == (300, 20)

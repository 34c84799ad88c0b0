"""Trials of two endpoints that face each other over a veth, each in its own network namespace.

They need root, charon and the kernel objects, but no pytest: `test_endpoint.py` runs them where the
host has these, and `python3 endpoint_trials.py` in a guest.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from pyroute2 import IPRoute, netns

from endpoint.crypto import load_kernel_modules
from endpoint.endpoint import Endpoint
from endpoint.interfaces import apply_interfaces
from endpoint.plan import EndpointPlan, InterfacePlan, NextHop, Retransmission, TunnelPlan
from endpoint.report import EndpointEvent, TunnelReport
from endpoint.routes import STATIC, set_routes
from endpoint.settings import PLUGINS

CLOUD, IDC = IPv4Address("203.0.113.10"), IPv4Address("198.51.100.10")
MACS = {"cloud": "02:00:00:00:00:01", "idc": "02:00:00:00:00:02"}
FAST = Retransmission(timeout_s=0.5, base=1.3, tries=4)
KEY = "a-key_of-20_letters-"
DEADLINE_S = 60.0
# User-space ESP, for kernels without XFRM: no if_id, no XFRM interface, always in UDP.
LIBIPSEC = ("random", "nonce", "openssl", "kdf", "kernel-libipsec", "kernel-netlink", "socket-default", "vici")


class Side:
    """One endpoint in its namespace, and what its agent would do with it."""

    def __init__(self, name: str, directory: Path, *, kernel: bool) -> None:
        self.name, self.namespace, self.directory = name, f"endpoint-trial-{name}-{os.getpid()}", directory
        self.kernel = kernel
        self.events: list[EndpointEvent] = []
        self.keys = {"hq/1": KEY, "hq/2": KEY}
        self.plan = EndpointPlan(tunnels=(self.tunnel(1),), retransmission=FAST)
        netns.create(self.namespace)
        self.endpoint = self.new_endpoint()

    def new_endpoint(self) -> Endpoint:
        return Endpoint(self.directory, now=time.monotonic, plugins=PLUGINS if self.kernel else LIBIPSEC)

    def tunnel(self, number: int) -> TunnelPlan:
        """Tunnel `number` as this side's data plane can have it."""
        plan = tunnel(self.name, number)
        if self.kernel:
            return plan
        mine, theirs = IPv4Network(plan.inner.ip), IPv4Network(plan.peer_inner)
        return replace(plan, if_id=0, local_ts=(mine,), remote_ts=(theirs,))

    def change(self, **fields: object) -> None:
        """Change the first tunnel of the plan."""
        first, *others = self.plan.tunnels
        self.plan = replace(self.plan, tunnels=(replace(first, **fields), *others))

    def plumb(self) -> None:
        """The plain interface and the way to the other side."""
        public = CLOUD if self.name == "cloud" else IDC
        apply_interfaces(
            [
                InterfacePlan(
                    "wan", MACS[self.name], (IPv4Interface(f"{public}/32"), IPv4Interface(f"{public + 1}/32")), mtu=1500
                )
            ]
        )
        changes = set_routes({IPv4Network("0.0.0.0/0"): (NextHop("wan"),)}, STATIC)
        assert not changes.failed, changes
        if not self.kernel:
            with IPRoute() as ip:
                for number in (1, 2):
                    ip.addr("add", index=1, address=str(self.tunnel(number).inner.ip), prefixlen=32)

    def apply(self) -> None:
        with inside(self.namespace):
            self.endpoint.apply(self.plan, self.keys)

    def process(self) -> None:
        with inside(self.namespace):
            self.events += self.endpoint.process()
            if self.endpoint.lacks_charon:
                self.endpoint.apply(self.plan, self.keys)
            due = self.endpoint.due()
            if self.endpoint.has_news or (due is not None and due <= time.monotonic()):
                self.endpoint.observe()
                self.events += self.endpoint.process()

    def tunnels(self) -> Mapping[str, TunnelReport]:
        with inside(self.namespace):
            return {tunnel.name: tunnel for tunnel in self.endpoint.observe().tunnels}


def tunnel(side: str, number: int) -> TunnelPlan:
    """Tunnel `number` of "cloud" or "idc"; the second one differs in its addresses by one."""
    cloud = side == "cloud"
    local, remote = (CLOUD, IDC) if cloud else (IDC, CLOUD)
    local, remote = local + number - 1, remote + number - 1
    inner = IPv4Network(f"169.254.{number}.0/30")
    mine, theirs = (inner[2], inner[1]) if cloud else (inner[1], inner[2])
    return TunnelPlan(
        name=f"hq/{number}",
        interface=f"vpn{number}",
        if_id=number,
        local_address=local,
        remote_address=remote,
        local_id=str(local),
        remote_id=str(remote),
        inner=IPv4Interface(f"{mine}/30"),
        peer_inner=theirs,
        inner_mtu=1400,
        initiate=cloud,
    )


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Run the body in a network namespace."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    netns.setns(namespace)
    try:
        yield
    finally:
        netns.setns(home)
        os.close(home)


@contextmanager
def two_sides(*, kernel: bool = True) -> Iterator[tuple[Side, Side]]:
    """Both sides, plumbed, nothing applied yet."""
    with tempfile.TemporaryDirectory(prefix="vpnlab-") as directory:
        cloud, idc = (Side(name, Path(directory, name), kernel=kernel) for name in ("cloud", "idc"))
        try:
            with IPRoute() as ip:
                ip.link(
                    "add",
                    ifname="trial0",
                    kind="veth",
                    address=MACS["cloud"],
                    net_ns_fd=cloud.namespace,
                    peer={"ifname": "trial0", "address": MACS["idc"], "net_ns_fd": idc.namespace},
                )
            for side in (cloud, idc):
                with inside(side.namespace):
                    side.plumb()
            yield cloud, idc
        finally:
            for side in (cloud, idc):
                with inside(side.namespace):
                    side.endpoint.stop()
                netns.remove(side.namespace)


def run(sides: tuple[Side, Side], done: Callable[[], bool], *, within_s: float = DEADLINE_S) -> None:
    """Serve both endpoints until `done`; fails with what was seen last."""
    deadline = time.monotonic() + within_s
    while not done():
        left = deadline - time.monotonic()
        assert left > 0, "\n".join(f"{side.name}: {side.tunnels()}\n{side.events}" for side in sides)
        wishes = [due for side in sides if (due := side.endpoint.due()) is not None]
        with selectors.DefaultSelector() as selector:
            for side in sides:
                for fileno in side.endpoint.filenos():
                    selector.register(fileno, selectors.EVENT_READ)
            selector.select(max(0.0, min([left, *(wish - time.monotonic() for wish in wishes)])))
        for side in sides:
            side.process()


def all_up(*sides: Side) -> bool:
    return all(tunnel.state == "up" for side in sides for tunnel in side.tunnels().values())


def bring_up(sides: tuple[Side, Side]) -> None:
    for side in reversed(sides):
        side.apply()
    run(sides, lambda: all_up(*sides))


def ping(side: Side, number: int = 1) -> None:
    """A ping through the tunnel; the first packet may find a policy that is being installed."""
    target = str(side.tunnel(number).peer_inner)
    with inside(side.namespace):
        done = subprocess.run(
            ["/usr/bin/ping", "-c", "2", "-i", "0.2", "-W", "5", target], check=False, capture_output=True
        )
        assert done.returncode == 0, (done.stdout.decode(), Path("/proc/net/xfrm_stat").read_text(), side.tunnels())


def trial_a_ping_goes_through_the_tunnel() -> None:
    with two_sides() as (cloud, idc):
        bring_up((cloud, idc))
        ping(cloud)
        ours, theirs = (side.tunnels()["hq/1"] for side in (cloud, idc))
        assert ours.ike
        assert ours.ike.initiator
        assert ours.child
        assert theirs.child
        assert (ours.child.spi_in, ours.child.spi_out) == (theirs.child.spi_out, theirs.child.spi_in)
        assert ours.child.packets_out >= 2, ours
        assert ours.child.packets_in >= 2, ours
        cloud.process()
        assert [e.kind for e in cloud.events if e.kind != "negotiation-failed"] == ["daemon-started", "tunnel-up"]


def trial_a_second_apply_changes_nothing() -> None:
    with two_sides() as (cloud, idc):
        bring_up((cloud, idc))
        before = _numbers(cloud), _numbers(idc)
        for side in (cloud, idc):
            side.apply()
        ping(idc)
        assert (_numbers(cloud), _numbers(idc)) == before


def trial_a_new_tunnel_leaves_the_other_alone() -> None:
    with two_sides() as (cloud, idc):
        bring_up((cloud, idc))
        before = _numbers(cloud)
        for side in (idc, cloud):
            side.plan = replace(side.plan, tunnels=(side.tunnel(1), side.tunnel(2)))
        bring_up((cloud, idc))
        ping(cloud, 2)
        assert _numbers(cloud)["hq/1"] == before["hq/1"]
        for side in (idc, cloud):
            side.plan = replace(side.plan, tunnels=(side.tunnel(1),))
            side.apply()
        ping(cloud, 1)
        assert _numbers(cloud) == before
        with inside(cloud.namespace), IPRoute() as ip:
            assert not ip.link_lookup(ifname="vpn2")


def trial_admin_down_ends_the_tunnel_and_up_brings_it_back() -> None:
    with two_sides() as (cloud, idc):
        bring_up((cloud, idc))
        idc.change(admin_up=False)
        idc.apply()
        run((cloud, idc), lambda: "NO_PROPOSAL_CHOSEN from the peer" in (cloud.tunnels()["hq/1"].reason or ""))
        assert idc.tunnels()["hq/1"].state == "admin-down"
        idc.change(admin_up=True)
        idc.apply()
        run((cloud, idc), lambda: all_up(cloud, idc))
        ping(cloud)


def trial_a_killed_charon_comes_back() -> None:
    with two_sides() as (cloud, idc):
        bring_up((cloud, idc))
        for side in (cloud, idc):
            side.change(dpd_delay_s=1)
        bring_up((cloud, idc))
        for side in (cloud, idc):
            side.events.clear()
            with inside(side.namespace):
                pid = side.endpoint.observe().pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            run((cloud, idc), lambda side=side: any(event.kind == "daemon-died" for event in side.events))
            run((cloud, idc), lambda: all_up(cloud, idc))
            ping(cloud)
            with inside(side.namespace):
                report = side.endpoint.observe()
            assert (report.restarts, report.last_exit) == (1, "killed by SIGKILL")


def trial_a_new_endpoint_takes_over_after_a_killed_one() -> None:
    with two_sides() as (cloud, idc):
        bring_up((cloud, idc))
        left_behind, cloud.endpoint = cloud.endpoint, cloud.new_endpoint()
        bring_up((cloud, idc))
        ping(cloud)
        with inside(cloud.namespace):
            assert "daemon-died" in {event.kind for event in left_behind.process()}


def trial_rekeying_is_told() -> None:
    with two_sides() as (cloud, idc):
        for side in (cloud, idc):
            side.change(child_lifetime_s=4)
        bring_up((cloud, idc))
        run((cloud, idc), lambda: any(event.kind == "child-rekeyed" for event in cloud.events))
        ping(cloud)


def trial_different_keys_are_named_on_both_sides(*, kernel: bool = True) -> None:
    with two_sides(kernel=kernel) as (cloud, idc):
        idc.keys["hq/1"] = "another-key"
        for side in (idc, cloud):
            side.apply()
        await_reasons((cloud, idc), "AUTHENTICATION_FAILED from the peer", "the pre-shared keys of")
        assert any(event.kind == "negotiation-failed" for event in cloud.events)
        idc.keys["hq/1"] = KEY
        bring_up((cloud, idc))
        logs = "".join(Path(side.directory, "charon.log").read_text() for side in (cloud, idc))
        assert "another-key" not in logs
        assert KEY not in logs


def trial_different_ike_proposals_are_named_on_both_sides(*, kernel: bool = True) -> None:
    with two_sides(kernel=kernel) as (cloud, idc):
        idc.change(ike_proposals=("aes256-sha384-ecp384",))
        for side in (idc, cloud):
            side.apply()
        await_reasons(
            (cloud, idc),
            "NO_PROPOSAL_CHOSEN from the peer",
            "/PRF_HMAC_SHA2_256/ECP_256; configured here: IKE:AES_CBC_256",
        )


def trial_different_esp_proposals_are_named_on_both_sides(*, kernel: bool = True) -> None:
    with two_sides(kernel=kernel) as (cloud, idc):
        idc.change(esp_proposals=("aes256-sha384",))
        for side in (idc, cloud):
            side.apply()
        await_reasons(
            (cloud, idc),
            "IKE SA ESTABLISHED, no child SA; last: NO_PROPOSAL_CHOSEN from the peer for the child SA",
            "the peer proposes ESP:AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ; configured here: ESP:AES_CBC_256",
        )


def trial_a_peer_that_asks_for_an_unknown_tunnel_is_named(*, kernel: bool = True) -> None:
    with two_sides(kernel=kernel) as (cloud, idc):
        cloud.change(ike_version=1)
        for side in (idc, cloud):
            side.apply()
        await_reasons((cloud, idc), "NO_PROPOSAL_CHOSEN from the peer", "no tunnel is configured from 198.51.100.10")


def trial_other_identities_are_named(*, kernel: bool = True) -> None:
    with two_sides(kernel=kernel) as (cloud, idc):
        cloud.change(local_id="10.0.0.1")
        for side in (idc, cloud):
            side.apply()
        await_reasons((cloud, idc), "AUTHENTICATION_FAILED", "no tunnel matches the addresses and identities")


def trial_a_silent_peer_is_named(*, kernel: bool = True) -> None:
    with two_sides(kernel=kernel) as (cloud, idc):
        cloud.apply()
        run((cloud, idc), lambda: "gave up after 4 retransmits" in (cloud.tunnels()["hq/1"].reason or ""))
        bring_up((cloud, idc))


def await_reasons(sides: tuple[Side, Side], *parts: str) -> None:
    run(
        sides,
        lambda: all(
            part in (side.tunnels()["hq/1"].reason or "")
            for side, part in zip(sides, parts, strict=True)
            if side.endpoint.observe().tunnels
        ),
    )


def _numbers(side: Side) -> dict[str, tuple[int, str]]:
    """What names the SAs: IKE's number and the child's SPI."""
    return {
        name: (tunnel.ike.unique_id, tunnel.child.spi_in)
        for name, tunnel in side.tunnels().items()
        if tunnel.ike and tunnel.child
    }


TRIALS = {name: value for name, value in globals().items() if name.startswith("trial_")}
# Those that need no data plane, so that user-space ESP will do.
NEGOTIATION_TRIALS = {name: trial for name, trial in TRIALS.items() if "kernel" in (trial.__kwdefaults__ or {})}


def main() -> int:
    """Run the named trials, or all of them; prints the time of each and fails with the first that does."""
    load_kernel_modules()
    for name in sys.argv[1:] or TRIALS:
        started = time.monotonic()
        TRIALS[name]()
        sys.stdout.write(f"{name} {time.monotonic() - started:.2f} s\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Pings that must pass through one tunnel each, both ways.

ECMP hashes pings by their two addresses, so one pair of hosts would always take the same tunnel. For the time of a
ping a policy rule on either gateway leads this pair's ICMP into the tunnel that is asked about, and nothing else.
There is one rule on a gateway at a time, so those who ping at once take turns.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

from lab.locking import try_lock
from lab.plan.codec import from_json
from lab.plan.containers import RUN_DIRECTORY
from lab.plan.model import PingPlan
from lab.runtime.caller import Caller
from lab.runtime.nodes import Nodes
from lab.runtime.pin import pinned
from lab.substrate.contract import Substrate
from lab.wire.messages import Message

INTERVAL_S = 0.2
LOCK_AGAIN_S = 0.05
"""Seconds between two looks whether it is this one's turn (chosen: as for a port): no event tells of a free lock."""
WAITING_S = 1.0
"""Seconds after which a caller that waits for its turn is told that it still does (chosen: soon enough to see)."""
ROUND_TRIP = re.compile(rb"time=([0-9.]+) ms")


def ping_through_tunnels(caller: Caller, kind: Nodes, args: Message) -> None:
    """Ping along each of `args["pings"]`, one after the other.

    Each is {"plan": PingPlan, "ends": [[node, interface], [node, interface]]}: the gateways of the tunnel, the
    source's first, with the tunnel's interface there. Waits for a first answer until `args["wait_s"]`.
    The caller receives for each {"answer": {"tunnel", "round_trip_ms" or None, "error" or None}}, and {"waiting":
    tunnel} every WAITING_S while others have their turn. Raises CallerGone: the pings end then.
    """
    substrate = kind.substrate_of(args["lab"])
    for wanted in args["pings"]:
        caller.send({"answer": _ping(caller, args["lab"], substrate, wanted, args["wait_s"])})


def _ping(caller: Caller, lab: str, substrate: Substrate, wanted: Message, deadline_s: float) -> Message:
    plan = from_json(PingPlan, wanted["plan"])
    (there, there_interface), (back, back_interface) = wanted["ends"]
    try:
        with (
            _turn(caller, lab, plan.tunnel),
            _pinned_on(substrate, there, there_interface, plan.source, plan.destination),
            _pinned_on(substrate, back, back_interface, plan.destination, plan.source),
        ):
            substrate.enter(plan.source_node)
            argv = ["ping", "-n", "-c", "1", "-i", str(INTERVAL_S), "-w", str(deadline_s)]
            done = _run(caller, [*argv, "-I", str(plan.source), str(plan.destination)])
    except OSError as error:
        return {"tunnel": plan.tunnel, "round_trip_ms": None, "error": f"cannot lead the ping into the tunnel: {error}"}
    match = ROUND_TRIP.search(done.stdout)
    if done.returncode == 0 and match:
        return {"tunnel": plan.tunnel, "round_trip_ms": float(match[1]), "error": None}
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return {"tunnel": plan.tunnel, "round_trip_ms": None, "error": said[-1] if said else f"ping: {done.returncode}"}


def _run(caller: Caller, argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command that says little, for as long as the caller is there."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        pidfd = os.pidfd_open(process.pid)
        try:
            while not select.select([pidfd, caller.fileno()], [], [])[0].count(pidfd):
                for _ in caller.receive():
                    continue
        finally:
            os.close(pidfd)
            process.kill()
        out, err = process.communicate()
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


@contextmanager
def _turn(caller: Caller, lab: str, tunnel: str) -> Iterator[None]:
    """Wait, as long as the caller does, until nobody else leads pings into tunnels of this lab, and let nobody then."""
    folder = os.open(f"{RUN_DIRECTORY}/{lab}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    told_at = time.monotonic()
    try:
        while not try_lock(folder):
            if time.monotonic() >= told_at + WAITING_S:
                told_at = time.monotonic()
                caller.send({"waiting": tunnel})
            if select.select([caller.fileno()], [], [], LOCK_AGAIN_S)[0]:
                for _ in caller.receive():
                    continue
        yield
    finally:
        os.close(folder)


@contextmanager
def _pinned_on(
    substrate: Substrate, node: str, interface: str, source: IPv4Address, destination: IPv4Address
) -> Iterator[None]:
    substrate.enter(node)
    with pinned(interface, source, destination):
        yield

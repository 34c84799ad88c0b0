"""How long routes take from a customer's announcement to the border gateway's kernel, beside BIRD in the same nodes.

Both speak over the first tunnel of the reference lab. Ours is given a plan in which the device announces more, and the
limit on prefixes is lifted; BIRD has the routes in its configuration and is told to use them. Both are timed on this
host, from the command to the news that the kernel has the last route, and again until the last one is gone.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from endpoint.plan import TunnelPlan
from endpoint.routes import BGP
from lab.control import record
from lab.control.status import session_with
from lab.plan.codec import to_json
from lab.plan.model import LabPlan, NodePlan
from lab.wire.client import Client

COUNTER = Path(__file__).with_name("route_counter.py").read_text()
POOL = IPv4Network("10.128.0.0/9")
CLOUD, IDC = "bgw1", "hq-gw"
MAIN_TABLE = 254
BIRD_PROTOCOL, BIRD_TABLE, BIRD_PORT = 12, 300, 1790  # RTPROT_BIRD; a table and a port that nobody else uses
LONGEST_S = 900.0

Note = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Counter:
    """The counter in the border gateway, in a session of its own."""

    client: Client

    def line(self) -> str:
        """The next line that it says. Raises RuntimeError when it ended or is silent."""
        said = b""
        while not said.endswith(b"\n"):
            message = self.client.receive(LONGEST_S)
            if message is None or "result" in message:
                raise RuntimeError(f"the counter of routes says no more; last: {message}")
            said += base64.b64decode(message.get("out", ""))
        return said.decode().strip()

    def until(self, count: int, do: Callable[[], None]) -> float:
        """Seconds from doing something until there are so many routes."""
        began = time.monotonic()
        do()
        self.client.send({"input": base64.b64encode(f"{count}\n".encode()).decode()})
        self.line()
        return time.monotonic() - began


def measure(lab: str, counts: Iterable[int], note: Note) -> None:
    """Measure in a lab that is ready: ours, and BIRD. `note` takes the name of each measure and its seconds."""
    plan = record.read_plan(lab)
    if plan is None:
        raise RuntimeError(f"lab {lab} has no plan")
    for count in counts:
        with counting(lab, BGP.protocol, MAIN_TABLE) as counter:
            several = with_routes(plan, count)
            note(f"{count} routes: announced s", counter.until(1 + count, lambda: apply(lab, several)))  # noqa: B023
            lifted = with_routes(plan, 0)
            note(f"{count} routes: withdrawn s", counter.until(1, lambda: apply(lab, lifted)))  # noqa: B023
        apply(lab, plan)
        with birds(lab, plan, count), counting(lab, BIRD_PROTOCOL, BIRD_TABLE) as counter:
            note(f"{count} routes: announced, BIRD s", counter.until(count, lambda: birdc(lab, "enable many")))
            note(f"{count} routes: withdrawn, BIRD s", counter.until(0, lambda: birdc(lab, "disable many")))


def prefixes(count: int) -> tuple[IPv4Network, ...]:
    """So many prefixes of a customer's."""
    return tuple(IPv4Network((int(POOL.network_address) + (number << 8), 24)) for number in range(count))


def with_routes(plan: LabPlan, count: int) -> LabPlan:
    """The plan with so many prefixes more that the device announces over its first tunnel, and no limit to them."""

    def edited(node: NodePlan) -> NodePlan:
        speaker = node.speaker
        if speaker is None:
            return node
        if node.name == CLOUD:
            return replace(node, speaker=replace(speaker, max_prefixes=None))
        first, *others = speaker.neighbors
        first = replace(first, announce=first.announce + prefixes(count))
        return replace(node, speaker=replace(speaker, neighbors=(first, *others)))

    return replace(plan, nodes=tuple(edited(node) for node in plan.nodes))


def apply(lab: str, plan: LabPlan) -> None:
    """Give the lab a plan."""
    with session_with(lab) as client:
        client.call("apply", deadline_s=LONGEST_S, plan=to_json(plan), keys=record.read_keys(lab))


@contextmanager
def counting(lab: str, protocol: int, table: int) -> Iterator[Counter]:
    """A counter of the border gateway's routes that listens."""
    with session_with(lab) as client:
        argv = ["python3", "-c", COUNTER, str(protocol), str(table)]
        client.send({"call": "exec", "args": {"lab": lab, "node": CLOUD, "argv": argv}})
        counter = Counter(client)
        if counter.line() != "ready":
            raise RuntimeError("the counter of routes does not listen")
        yield counter


@contextmanager
def birds(lab: str, plan: LabPlan, count: int) -> Iterator[None]:
    """BIRD at both ends of the first tunnel, the session up, the device's routes not announced yet."""
    (ours, theirs) = (plan.node(name).endpoint for name in (CLOUD, IDC))
    if ours is None or theirs is None:
        raise RuntimeError("the lab has no tunnels")
    many = "\n".join(f"  route {prefix} blackhole;" for prefix in prefixes(count))
    sender = f"protocol static many {{\n  disabled;\n  ipv4;\n{many}\n}}\n"
    receiver = f"protocol kernel {{\n  kernel table {BIRD_TABLE};\n  ipv4 {{ export all; }};\n}}\n"
    ends = ((IDC, theirs.tunnels[0], (65010, 65000), sender), (CLOUD, ours.tunnels[0], (65000, 65010), receiver))
    try:
        for node, tunnel, asns, rest in ends:
            run(lab, node, ["sh", "-c", f"cat > /run/{node}.bird"], configuration(tunnel, asns) + rest)
            run(lab, node, ["bird", "-c", f"/run/{node}.bird", "-s", f"/run/{node}.ctl", "-P", f"/run/{node}.pid"])
        established = f"birdc -s /run/{CLOUD}.ctl show protocols peer | grep -q Established"
        run(lab, CLOUD, ["timeout", str(LONGEST_S), "sh", "-c", f"until {established}; do :; done"])
        yield
    finally:
        for node, *_ in ends:
            run(lab, node, ["sh", "-c", f"test ! -e /run/{node}.ctl || birdc -s /run/{node}.ctl down"])


def configuration(tunnel: TunnelPlan, asns: tuple[int, int]) -> str:
    """BIRD's configuration of one end of the session."""
    ours, theirs = asns
    return (
        f"router id {tunnel.inner.ip};\nprotocol device {{}}\n"
        f"protocol bgp peer {{\n"
        f"  local {tunnel.inner.ip} port {BIRD_PORT} as {ours};\n"
        f"  neighbor {tunnel.peer_inner} port {BIRD_PORT} as {theirs};\n"
        f"  connect delay time 1;\n  connect retry time 1;\n"
        f"  ipv4 {{ import all; export all; next hop self; }};\n}}\n"
    )


def birdc(lab: str, command: str) -> None:
    """Tell the device's BIRD something."""
    run(lab, IDC, ["birdc", "-s", f"/run/{IDC}.ctl", command])


def run(lab: str, node: str, argv: list[str], text: str = "") -> None:
    """Run a command in a node to its end. Raises RuntimeError when it fails."""
    said = b""
    with session_with(lab) as client:
        client.send({"call": "exec", "args": {"lab": lab, "node": node, "argv": argv}})
        data = text.encode()
        for start in range(0, len(data), 1 << 16):
            client.send({"input": base64.b64encode(data[start : start + (1 << 16)]).decode()})
        client.send({"input_end": True})
        while (message := client.receive(LONGEST_S)) is not None:
            said += base64.b64decode(message.get("out", "")) + base64.b64decode(message.get("err", ""))
            if "error" in message or message.get("result", {}).get("exit", 0) != 0:
                raise RuntimeError(f"{' '.join(argv)} on {node}: {message}; {said.decode(errors='replace')}")
            if "result" in message:
                return
    raise RuntimeError(f"{' '.join(argv)} on {node} does not end")

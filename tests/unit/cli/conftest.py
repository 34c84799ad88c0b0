"""A command run in this process, and a lab without any machine that answers calls with what a test says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv4Network
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result
from living import LivingLab

from bgp.report import SessionReport, SpeakerReport
from endpoint.plan import NextHop
from endpoint.report import ChildSaReport, EndpointReport, IkeSaReport, TunnelReport
from lab.cli.main import cli
from lab.control import change, record, status
from lab.control.wanted import Wanted, remember
from lab.node.forwarding import forwarding_of
from lab.plan.codec import digest, to_json
from lab.plan.compile import compile_again, compile_plan
from lab.plan.lacks import expected_prefixes
from lab.plan.model import LabPlan, NodePlan
from lab.plan.report import InstalledRoute, LabReport, NodeReport, NodeStatus, Offer
from lab.spec.load import reference

VPNLAB = Callable[..., Result]
IDC = IPv4Network("172.16.1.0/24")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    """State, cache and working directory of the test's own; no variable of the caller's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def vpnlab() -> VPNLAB:
    """Run `vpnlab ARGS` here; `.exit_code`, `.stdout` and `.stderr` of what it returns."""

    def run(*args: str, **how: Any) -> Result:
        return CliRunner().invoke(cli, args, prog_name="vpnlab", **how)

    return run


@dataclass
class FakeLab:
    """The lab process of a test: `answers` by call. It stands for the computer and for the client at once."""

    plan: LabPlan
    answers: dict[str, Any]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    gone: Exception | None = None
    is_running: bool = True

    def connect(self) -> Self:
        if self.gone is not None:
            raise self.gone
        return self

    def running(self) -> bool:
        return self.is_running

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def call(self, call: str, *, deadline_s: float, **args: Any) -> Any:
        del deadline_s
        self.calls.append((call, args))
        return self.answers[call]

    def stream(self, call: str, *, deadline_s: float | None, **args: Any) -> Iterator[Any]:
        del deadline_s
        self.calls.append((call, args))
        yield from self.answers[call]


@pytest.fixture
def fake_lab(monkeypatch) -> FakeLab:
    """The reference lab, ready, as far as this host knows."""
    plan = compile_plan(reference())
    record.write_place(plan.name, record.Place("microvm", "a test"))
    record.write_plan(plan)
    lab = FakeLab(plan, {"report": to_json(ready_report(plan))})
    monkeypatch.setattr(status, "computer_of", lambda name, place: lab)  # noqa: ARG005 - the signature
    monkeypatch.setattr("lab.control.labs.computer_of", lambda name, place: lab)  # noqa: ARG005
    return lab


def ready_report(plan: LabPlan) -> LabReport:
    """What all agents of a lab report once it is ready."""
    nodes = tuple(NodeStatus(node.name, 7, 0, None, node_report(plan, node), 0.1, stale=False) for node in plan.nodes)
    return LabReport(plan.name, digest(plan), nodes)


def node_report(plan: LabPlan, node: NodePlan) -> NodeReport:
    now = time.time()
    neighbors = node.speaker.neighbors if node.speaker else ()
    sessions = tuple(
        SessionReport(
            neighbor.name, neighbor.peer_address, "established", now, None,
            tuple(sorted(expected_prefixes(plan, node, neighbor))), neighbor.announce, complete=True,
            metrics=(1,) * len(expected_prefixes(plan, node, neighbor)),
        )
        for neighbor in neighbors
    )  # fmt: skip
    tunnels = node.endpoint.tunnels if node.endpoint else ()
    ends = tuple(
        TunnelReport(
            tunnel.name, tunnel.interface, "up", now, None,
            IkeSaReport(1, "ESTABLISHED", 2, True, "0" * 16, "1" * 16, tunnel.local_address, tunnel.remote_address,
                        5, 900, "AES_CBC-128", False, False),
            ChildSaReport(1, "INSTALLED", "c" * 8, "d" * 8, False, 84, 1, 84, 1, 5, 900, "AES_CBC-128",
                          ("0.0.0.0/0",), ("0.0.0.0/0",)),
        )
        for tunnel in tunnels
    )  # fmt: skip
    prefixes = {prefix for session in sessions for prefix in session.accepted}
    hops = tuple(NextHop(tunnel.interface, IPv4Interface(f"{tunnel.peer_inner}/32").ip) for tunnel in tunnels)
    offers = tuple(Offer(port.vpc, node.name, tuple(prefixes)) for port in node.tables.vpcs) if node.tables else ()
    offered = {port.border_gateway: (IDC,) for port in node.vpc_table.gateways} if node.vpc_table else {}
    static = forwarding_of(node, {}, offered, frozenset(tunnel.interface for tunnel in tunnels)).static
    return NodeReport(
        name=node.name,
        written_at=now,
        interfaces=(),
        routes=(
            *(InstalledRoute(prefix, hops, "bgp") for prefix in sorted(prefixes)),
            *(InstalledRoute(prefix, ways, "static") for prefix, ways in static.items()),
        ),
        problems=(),
        endpoint=EndpointReport(100, 0, None, ends) if node.endpoint else None,
        speaker=SpeakerReport(101, 0, None, sessions) if node.speaker else None,
        offers=offers,
    )


@pytest.fixture
def living_lab(monkeypatch) -> LivingLab:
    """The reference lab, brought up, which follows the plans that it is given."""
    compiled = compile_again(reference(), None)
    lab = LivingLab(compiled.plan, ready_report)
    record.write_place(compiled.plan.name, record.Place("microvm", "a test"))
    record.write_plan(compiled.plan)
    remember(Wanted(reference(), compiled.allocations), {"hq-1": "first-key", "hq-2": "second-key"})
    for module in (status, change):
        monkeypatch.setattr(module, "computer_of", lambda name, place: lab)  # noqa: ARG005 - the signature
    return lab

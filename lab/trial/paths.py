"""Which tunnel each flow takes, asked of the kernels of the gateways that choose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from lab.control.asking import output_of
from lab.errors import LabSaysNo, UsageError
from lab.plan.model import LabPlan
from lab.plan.probes import ProbePlan
from lab.trial.model import Side
from lab.wire.client import Client


@dataclass(frozen=True, slots=True)
class FlowKey:
    """What ECMP hashes a flow by."""

    protocol: Literal["udp", "tcp"]
    source: IPv4Address
    source_port: int
    destination: IPv4Address
    destination_port: int


def udp_keys(plan: ProbePlan) -> Mapping[Side, tuple[FlowKey, ...]]:
    """The flows of the probes by the side that sends them."""
    cloud, idc = (end.address for end in plan.ends)
    ways: tuple[tuple[Side, IPv4Address, IPv4Address], ...] = (("cloud", cloud, idc), ("idc", idc, cloud))
    return {
        side: tuple(
            FlowKey("udp", source, plan.first_port + flow, destination, plan.sink_port) for flow in range(plan.flows)
        )
        for side, source, destination in ways
    }


def tunnels_of(client: Client, plan: LabPlan, gateway: str, flows: Sequence[FlowKey]) -> tuple[str | None, ...]:
    """The tunnel into which a gateway routes each of these flows now; None for one that it routes elsewhere or not.

    All flows come from one address. A gateway that is not there routes nothing.
    """
    endpoint = plan.node(gateway).endpoint
    names = {tunnel.interface: tunnel.name for tunnel in endpoint.tunnels} if endpoint else {}
    try:
        (back,) = _routes(client, plan.name, gateway, [f"route get {flows[0].source}"])
        asked = [
            f"route get {flow.destination} from {flow.source} iif {back} ipproto {flow.protocol} "
            f"sport {flow.source_port} dport {flow.destination_port}"
            for flow in flows
        ]
        return tuple(names.get(interface) for interface in _routes(client, plan.name, gateway, asked))
    except (LabSaysNo, UsageError):  # no route, or no such node
        return (None,) * len(flows)


def _routes(client: Client, lab: str, node: str, questions: Sequence[str]) -> list[str]:
    """The interface that each `ip route get` names, all asked of one process."""
    said = output_of(
        client, lab, node, ["ip", "-json", "-batch", "-"], stdin="".join(f"{line}\n" for line in questions)
    )
    return [json.loads(line)[0]["dev"] for line in said.splitlines()]


def source_port_into(
    client: Client, plan: LabPlan, tunnel: str, flow: FlowKey, candidates: Sequence[int]
) -> int | None:  # fmt: skip
    """The first source port with which the flow goes into `tunnel` on the cloud's side; None when none does."""
    pair = next(pair for pair in plan.tunnels if pair.name == tunnel)
    keys = [
        FlowKey(flow.protocol, flow.source, port, flow.destination, flow.destination_port) for port in candidates
    ]  # fmt: skip
    taken = tunnels_of(client, plan, pair.cloud_node, keys)
    return next((port for port, name in zip(candidates, taken, strict=True) if name == tunnel), None)

"""NodeReport and LabReport: what was seen, and when. Runs in the guest too."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from bgp.report import SpeakerReport
from endpoint.plan import NextHop
from endpoint.report import EndpointReport, InterfaceReport
from lab.cloud.rates import TunnelCounters

STALE_AFTER_S = 3.0
"""Seconds after which a report that was asked for and did not come is called stale (chosen: three times the longest
observation seen in a guest without hardware virtualisation)."""


@dataclass(frozen=True, slots=True)
class InstalledRoute:
    """A route read from the node's kernel: `origin` is "bgp" or "static"."""

    destination: IPv4Network
    next_hops: tuple[NextHop, ...]
    origin: Literal["bgp", "static"]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a border gateway lets a VPC reach over it now."""

    vpc: str
    border_gateway: str
    destinations: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True)
class TunnelTraffic:
    """What a tunnel has carried by now and, for rates, some seconds `earlier`; None where the agent has just begun."""

    tunnel: str
    earlier: TunnelCounters | None
    latest: TunnelCounters


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node as its agent saw it; a border gateway has `offers` and `traffic`.

    `written_at` is wall-clock seconds (Unix).
    """

    name: str
    written_at: float
    interfaces: tuple[InterfaceReport, ...]
    routes: tuple[InstalledRoute, ...]
    problems: tuple[str, ...]
    endpoint: EndpointReport | None
    speaker: SpeakerReport | None
    offers: tuple[Offer, ...] = ()
    traffic: tuple[TunnelTraffic, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as the lab process knows it: its agent, and the last report with its age in seconds.

    `report` is None before the first one. `stale` says that the agent was asked and did not answer in time.
    """

    name: str
    agent_pid: int | None
    agent_restarts: int
    agent_last_exit: str | None
    report: NodeReport | None
    report_age_s: float | None
    stale: bool


@dataclass(frozen=True, slots=True)
class LabReport:
    """All nodes of a lab at one moment. `plan_digest` names the plan that the nodes were given."""

    lab: str
    plan_digest: str
    nodes: tuple[NodeStatus, ...]

    def node(self, name: str) -> NodeStatus:
        """The node of that name; KeyError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class LabEvent:
    """Something that happened in a lab. `at` is wall-clock time in seconds (Unix); `number` counts from 1."""

    number: int
    at: float
    node: str
    kind: str
    subject: str | None
    text: str

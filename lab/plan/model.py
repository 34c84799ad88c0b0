"""LabPlan: every number decided. Runs in the guest too, so the standard library's dataclasses serve.

A plan carries no key: pre-shared keys travel beside it, by tunnel name, and are never printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Literal

from bgp.plan import SpeakerPlan
from endpoint.plan import EndpointPlan, InterfacePlan, NatPlan, NextHop, RoutePlan, SourceRoute
from lab.cloud.routing import Route
from lab.cloud.vpc_routes import RoutePropagation, StaticRule
from lab.plan.impairments import UNIMPAIRED, Impairments

PLAN_VERSION = 1

Role = Literal["instance", "vpc-router", "border-gateway", "internet", "nat-router", "customer-device", "host"]


@dataclass(frozen=True, slots=True)
class TunnelPort:
    """Where a border gateway meets a tunnel of a VPN connection: the interface, and the address at its other end."""

    vpn_connection: str
    tunnel: str
    interface: str
    peer: IPv4Address


@dataclass(frozen=True, slots=True)
class VpcPort:
    """Where a border gateway meets an attached VPC."""

    vpc: str
    next_hop: NextHop


@dataclass(frozen=True, slots=True)
class GatewayTables:
    """What a border gateway's valid table is computed from, besides what BGP brings.

    `propagated` comes from VPC attachments, in order of arrival.
    """

    static: tuple[Route, ...]
    propagated: tuple[Route, ...]
    vpcs: tuple[VpcPort, ...]
    tunnels: tuple[TunnelPort, ...]


@dataclass(frozen=True, slots=True)
class GatewayPort:
    """Where a VPC's router meets a border gateway."""

    border_gateway: str
    next_hop: NextHop


@dataclass(frozen=True, slots=True)
class VpcTable:
    """What a VPC's route table is computed from, besides what the border gateways offer."""

    vpc: str
    static: tuple[StaticRule, ...]
    propagations: tuple[RoutePropagation, ...]
    gateways: tuple[GatewayPort, ...]


@dataclass(frozen=True, slots=True)
class NodePlan:
    """All that one node needs. `sysctls` are paths below /proc/sys with their values.

    `label` is what the user calls it where that cannot be the name of a node, else empty.

    `tables` has a border gateway alone, `vpc_table` the router of a VPC. `draining` names interfaces of tunnels over
    which nothing is to be routed any more although they carry.
    """

    name: str
    role: Role
    interfaces: tuple[InterfacePlan, ...]
    routes: tuple[RoutePlan, ...] = ()
    source_routes: tuple[SourceRoute, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    endpoint: EndpointPlan | None = None
    speaker: SpeakerPlan | None = None
    tables: GatewayTables | None = None
    vpc_table: VpcTable | None = None
    draining: tuple[str, ...] = ()
    impairments: Impairments = UNIMPAIRED
    nat: tuple[NatPlan, ...] = ()
    label: str = ""

    @property
    def called(self) -> str:
        """What the user calls the node."""
        return self.label or self.name


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """One end of a link: the interface of a node, with its MAC address."""

    node: str
    interface: str
    mac: str


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A point-to-point link between two nodes."""

    a: LinkEnd
    b: LinkEnd


@dataclass(frozen=True, slots=True)
class TunnelPair:
    """The two ends of one VPN tunnel. Both ends know the tunnel, and its BGP session, by `name`."""

    name: str
    vpn_connection: str
    cloud_node: str
    idc_node: str
    cloud_address: IPv4Address
    customer_address: IPv4Address

    @property
    def called(self) -> str:
        """What the user calls the tunnel: its connection's name, and its number in it."""
        return called_tunnel(self.vpn_connection, self.name)


def called_tunnel(vpn_connection: str, tunnel: str) -> str:
    """What the user calls a tunnel: "hq-1", whatever name the engines know it by."""
    return f"{vpn_connection}-{tunnel.rpartition('-')[2]}"


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """A VPN connection, in the user's words: the public addresses that its tunnels may run between."""

    name: str
    border_gateway: str
    customer_gateway: str
    cloud_addresses: tuple[IPv4Address, ...]
    customer_addresses: tuple[IPv4Address, ...]
    bgp: bool
    description: str = ""


@dataclass(frozen=True, slots=True)
class PingPlan:
    """A ping that must pass through one tunnel, both ways: from an instance to a host in the IDC."""

    tunnel: str
    source_node: str
    source: IPv4Address
    destination_node: str
    destination: IPv4Address


@dataclass(frozen=True, slots=True)
class LabPlan:
    """One lab: nodes, links between them, and what must hold once it is ready."""

    version: int
    name: str
    nodes: tuple[NodePlan, ...]
    links: tuple[LinkPlan, ...]
    tunnels: tuple[TunnelPair, ...]
    pings: tuple[PingPlan, ...]
    connections: tuple[ConnectionPlan, ...] = ()

    def node(self, name: str) -> NodePlan:
        """The node of that name; KeyError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def called(self, node: str) -> str:
        """What the user calls the node of that name."""
        return next((known.called for known in self.nodes if known.name == node), node)

    def node_called(self, name: str) -> str:
        """The name of the node that the user calls so; the same where nothing is called so."""
        return next((node.name for node in self.nodes if node.called == name), name)

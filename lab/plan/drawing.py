"""A plan while it is drawn: its nodes, and the links between them. Only lab.plan.compile draws."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network

from bgp.plan import NeighborPlan
from endpoint.plan import InterfacePlan, NatPlan, Retransmission, RoutePlan, SourceRoute, TunnelPlan
from lab.plan.allocations import Numbering
from lab.plan.model import GatewayPort, LinkEnd, LinkPlan, Role, TunnelPort, VpcPort
from lab.plan.tunnels import PATH_MTU
from lab.spec.checks import VPC_NODE_PREFIX
from lab.spec.names import node_name


class Draft:
    """A node while its links are being drawn. `called` is the user's name of what it is."""

    def __init__(self, name: str, called: str, role: Role, sysctls: tuple[tuple[str, str], ...] = ()) -> None:
        self.name = name
        self.called = called
        self.role = role
        self.sysctls = sysctls
        self.interfaces: list[InterfacePlan] = []
        self.routes: list[RoutePlan] = []
        self.source_routes: list[SourceRoute] = []
        self.tunnels: list[TunnelPlan] = []
        self.retransmission: Retransmission | None = None
        self.neighbors: list[NeighborPlan] = []
        self.announced: list[IPv4Network] = []
        self.vpcs: list[VpcPort] = []
        self.gateways: list[GatewayPort] = []
        self.ports: list[TunnelPort] = []
        self.nat: list[NatPlan] = []

    @property
    def label(self) -> str:
        """What the user is shown where it is not the name."""
        shown = VPC_NODE_PREFIX + self.called if self.role == "vpc-router" else self.called
        return "" if shown == self.name else shown


class Drawing:
    """The plan while it is drawn: nodes, and links between them with MAC addresses counted through the lab."""

    def __init__(self, numbers: Numbering) -> None:
        self.nodes: dict[str, Draft] = {}
        self.links: list[LinkPlan] = []
        self.numbers = numbers

    def node(self, called: str, role: Role, sysctls: tuple[tuple[str, str], ...] = (), prefix: str = "") -> Draft:
        """A new node; its name is the safe form of what the user calls it."""
        name = prefix + node_name(called)
        self.nodes[name] = Draft(name, called, role, sysctls)
        return self.nodes[name]

    def of(self, called: str) -> Draft:
        """The node of what the user calls so."""
        return self.nodes[node_name(called)]

    def port(self, node: Draft, kind: str, to: str) -> str:
        """The name of a node's interface: the kind of what it leads to, counted in the node."""
        return f"{kind}{self.numbers.take(f'{kind} of {node.name}', to)}"

    def link(self, a: tuple[Draft, str, IPv4Interface | None], b: tuple[Draft, str, IPv4Interface | None]) -> None:
        """A link between two nodes' interfaces of these names, with the addresses that they get there."""
        ends = []
        number = self.numbers.take("link", f"{a[0].name} {a[1]} - {b[0].name} {b[1]}")
        for mac, (node, interface, address) in zip(_macs(number), (a, b), strict=True):
            addresses = (address,) if address else ()
            node.interfaces.append(InterfacePlan(name=interface, mac=mac, addresses=addresses, mtu=PATH_MTU))
            ends.append(LinkEnd(node.name, interface, mac))
        self.links.append(LinkPlan(*ends))


def _macs(link: int) -> tuple[str, str]:
    """The MAC addresses of a link's two ends, locally administered."""
    first, second = (f"02:76:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}" for n in (2 * link - 1, 2 * link))
    return first, second

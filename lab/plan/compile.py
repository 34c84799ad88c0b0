"""LabSpec to LabPlan. Pure and deterministic: the same file gives the same plan.

    instance -- vpc-NAME -- border gateway == internet == customer's device -- host

Every public address is alone on a link of its own to `internet`. Links in the VPC and the IDC are point-to-point too:
routers answer ARP for their subnets, as a cloud's do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from bgp.plan import SpeakerPlan
from endpoint.plan import (
    EndpointPlan,
    NatPlan,
    NextHop,
    RoutePlan,
    SourceRoute,
)
from lab.cloud.advertising import advertised_to
from lab.cloud.quotas import DYNAMIC_ROUTES
from lab.cloud.routing import NextHopType, longest_prefix
from lab.plan.allocations import Allocations, Numbering
from lab.plan.drawing import Draft, Drawing
from lab.plan.model import (
    PLAN_VERSION,
    ConnectionPlan,
    GatewayPort,
    LabPlan,
    NodePlan,
    PingPlan,
    TunnelPair,
    TunnelPort,
    VpcPort,
)
from lab.plan.tables import gateway_tables, valid_without_vpn, vpc_table
from lab.plan.timers import Timers, timers_for, timers_of
from lab.plan.tunnels import Connection, connections, prepends_of, selectors_of, session_ends, tunnel_ends
from lab.spec.checks import VPC_NODE_PREFIX
from lab.spec.model import LabSpec, NatRouter, VpcAttachment
from lab.spec.names import node_name

INTERNET = "internet"
DEFAULT_ROUTE = IPv4Network("0.0.0.0/0")
TRANSFER_POOL = IPv4Network("100.64.0.0/16")  # RFC 6598, as between a provider's own routers

FORWARDING = (
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
)
PROXY_ARP = (("net/ipv4/conf/all/proxy_arp", "1"), ("net/ipv4/conf/default/proxy_arp", "1"))
# ECMP by 5-tuple, the cloud's rule. Policy 1 says so too, and takes the number that a local socket gave its packets.
FLOW_HASH = (("net/ipv4/fib_multipath_hash_policy", "3"), ("net/ipv4/fib_multipath_hash_fields", "55"))


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan, and the numbers in it that the next plan of the same lab has to keep."""

    plan: LabPlan
    allocations: Allocations


def compile_plan(spec: LabSpec) -> LabPlan:
    """Decide every number of a lab that was found free of problems, and that nobody knows yet."""
    return compile_again(spec, None).plan


def compile_again(spec: LabSpec, kept: Allocations | None) -> Compiled:
    """Decide every number of a lab; what was in it before keeps the numbers that it had."""
    drawing = Drawing(Numbering(kept))
    timers = timers_of(spec.timers)
    internet = drawing.node(INTERNET, "internet", FORWARDING + PROXY_ARP)
    for name in spec.cloud.border_gateways:
        drawing.node(name, "border-gateway", FORWARDING + FLOW_HASH)
    _draw_vpcs(spec, drawing)
    _draw_devices(spec, drawing, internet)
    found = connections(spec, drawing.numbers)
    tunnels = [pair for connection in found for pair in _draw_connection(spec, drawing, internet, connection, timers)]
    _route_on_devices(spec, drawing, tunnels)
    plan = LabPlan(
        version=PLAN_VERSION,
        name=spec.name,
        nodes=tuple(_finished(drawing, node, spec, timers) for node in drawing.nodes.values()),
        links=tuple(drawing.links),
        tunnels=tuple(tunnels),
        pings=tuple(ping for connection in found for ping in _pings(spec, connection, drawing.numbers)),
        connections=tuple(
            ConnectionPlan(
                connection.name,
                connection.border_gateway,
                connection.customer_gateway,
                connection.public_addresses,
                connection.customer.public_addresses,
                connection.spec.bgp,
                connection.spec.description,
            )
            for connection in found
        ),
    )
    return Compiled(plan, drawing.numbers.allocations())


def _draw_vpcs(spec: LabSpec, drawing: Drawing) -> None:
    for name, vpc in spec.cloud.vpcs.items():
        router = drawing.node(name, "vpc-router", FORWARDING + FLOW_HASH + PROXY_ARP, VPC_NODE_PREFIX)
        for instance_name, instance in vpc.instances.items():
            subnet = vpc.subnets[instance.subnet]
            node = drawing.node(instance_name, "instance")
            _draw_leaf(drawing, router, "inst", node, instance.address, subnet)
        for attachment in spec.cloud.vpc_attachments:
            if attachment.vpc == name:
                _draw_attachment(drawing, router, attachment)


def _draw_leaf(
    drawing: Drawing, router: Draft, kind: str, leaf: Draft, address: IPv4Address, subnet: IPv4Network
) -> None:
    """A machine with one interface, on a link of its own to the subnet's router, which has the first address."""
    first = subnet[1]
    port = drawing.port(router, kind, leaf.name)
    drawing.link(
        (router, port, IPv4Interface(f"{first}/32")), (leaf, "eth0", IPv4Interface(f"{address}/{subnet.prefixlen}"))
    )
    leaf.routes.append(RoutePlan(DEFAULT_ROUTE, (NextHop("eth0", first),)))
    router.routes.append(RoutePlan(IPv4Network(address), (NextHop(port),)))


def _draw_attachment(drawing: Drawing, router: Draft, attachment: VpcAttachment) -> None:
    gateway = drawing.of(attachment.border_gateway)
    between = drawing.numbers.take("transfer", f"{attachment.vpc} - {attachment.border_gateway}")
    transfer = IPv4Network((int(TRANSFER_POOL.network_address) + 4 * (between - 1), 30))
    port = drawing.port(gateway, "vpc", attachment.vpc)
    up = drawing.port(router, "bgw", attachment.border_gateway)
    drawing.link((gateway, port, IPv4Interface(f"{transfer[1]}/30")), (router, up, IPv4Interface(f"{transfer[2]}/30")))
    gateway.vpcs.append(VpcPort(attachment.vpc, NextHop(port, transfer[2])))
    router.gateways.append(GatewayPort(attachment.border_gateway, NextHop(up, transfer[1])))


def _draw_devices(spec: LabSpec, drawing: Drawing, internet: Draft) -> None:
    for name, device in spec.idc.devices.items():
        node = drawing.node(name, "customer-device", FORWARDING + FLOW_HASH + PROXY_ARP)
        routers = {router.public_address: key for key, router in device.nat_routers.items()}
        for address in spec.cloud.customer_gateways[device.customer_gateway].public_addresses:
            if address in routers:
                router = routers[address]
                _draw_nat_router(drawing, internet, node, router, device.nat_routers[router])
            else:
                _draw_public_address(drawing, internet, node, address)
        for lan in device.lans.values():
            node.announced.append(lan.cidr)
            for host, address in lan.hosts.items():
                _draw_leaf(drawing, node, "lan", drawing.node(host, "host"), address, lan.cidr)


def _draw_public_address(drawing: Drawing, internet: Draft, gateway: Draft, address: IPv4Address) -> None:
    """A public address of a gateway, alone on its own path through the internet."""
    port = drawing.port(gateway, "wan", str(address))
    drawing.link((gateway, port, IPv4Interface(address)), (internet, drawing.port(internet, "net", str(address)), None))
    gateway.source_routes.append(SourceRoute(address, port))
    internet.routes.append(RoutePlan(IPv4Network(address), (NextHop(internet.interfaces[-1].name),)))


def _draw_nat_router(drawing: Drawing, internet: Draft, device: Draft, name: str, router: NatRouter) -> None:
    """A router that has the public address; the device is behind it, alone on a link with a private one."""
    node = drawing.node(name, "nat-router", FORWARDING + PROXY_ARP)
    _draw_public_address(drawing, internet, node, router.public_address)
    outside = node.interfaces[-1].name
    inside, port = drawing.port(node, "lan", device.name), drawing.port(device, "wan", str(router.public_address))
    drawing.link((device, port, IPv4Interface(router.device_address)), (node, inside, None))
    device.source_routes.append(SourceRoute(router.device_address, port))
    node.routes.append(RoutePlan(DEFAULT_ROUTE, (NextHop(outside),)))
    node.routes.append(RoutePlan(IPv4Network(router.device_address), (NextHop(inside),)))
    node.nat.append(NatPlan(outside, router.public_address, router.device_address, router.port_forwarding))


def _draw_connection(
    spec: LabSpec, drawing: Drawing, internet: Draft, connection: Connection, timers: Timers
) -> Iterator[TunnelPair]:
    gateway, device = drawing.of(connection.border_gateway), drawing.of(connection.device)
    for address in connection.public_addresses:
        _draw_public_address(drawing, internet, gateway, address)
    advertised = advertised_to(
        NextHopType.VPN_CONNECTION, connection.name, valid_without_vpn(spec, gateway.called, drawing.numbers)
    )
    for tunnel in connection.tunnels:
        own = timers_for(tunnel.spec, timers)
        nat = connection.nat_routers.get(tunnel.spec.customer_address)
        here, there = tunnel_ends(tunnel, own, selectors_of(connection.spec), nat)
        for node in (gateway, device):
            if tunnel.spec.ike_version == "v2":  # charon has one schedule for all, says a rule of the file
                node.retransmission = own.retransmission
        gateway.tunnels.append(here)
        device.tunnels.append(there)
        gateway.ports.append(TunnelPort(connection.name, tunnel.name, here.interface, here.peer_inner))
        if connection.spec.bgp:
            prepend = prepends_of(spec.idc.devices[device.called], connection.name, tunnel)
            cloud, customer = session_ends(connection, tunnel, own, advertised, device.announced, prepend)
            gateway.neighbors.append(cloud)
            device.neighbors.append(customer)
        yield TunnelPair(
            name=tunnel.name,
            vpn_connection=connection.name,
            cloud_node=gateway.name,
            idc_node=device.name,
            cloud_address=tunnel.spec.cloud_address,
            customer_address=tunnel.spec.customer_address,
        )


def _route_on_devices(spec: LabSpec, drawing: Drawing, tunnels: list[TunnelPair]) -> None:
    """A device's static routes lead over all tunnels of a connection; those that carry nothing are left out there."""
    for name, device in spec.idc.devices.items():
        ways: dict[IPv4Network, list[NextHop]] = {}
        for route in device.static_routes:
            names = {pair.name for pair in tunnels if pair.vpn_connection == route.vpn_connection}
            ends = [tunnel for tunnel in drawing.of(name).tunnels if tunnel.name in names]
            ways.setdefault(route.destination, []).extend(NextHop(end.interface, end.peer_inner) for end in ends)
        drawing.of(name).routes.extend(RoutePlan(destination, tuple(hops)) for destination, hops in ways.items())


def _finished(drawing: Drawing, node: Draft, spec: LabSpec, timers: Timers) -> NodePlan:
    speaker = None
    if node.neighbors:
        is_cloud = node.role == "border-gateway"
        speaker = SpeakerPlan(
            local_as=spec.cloud.border_gateways[node.called].asn if is_cloud else _device_as(spec, node.called),
            router_id=IPv4Address(drawing.numbers.keep("router ID", node.name, int(_first_address(spec, node)))),
            neighbors=tuple(node.neighbors),
            max_prefixes=DYNAMIC_ROUTES.limit if is_cloud else None,
        )
    return NodePlan(
        name=node.name,
        role=node.role,
        interfaces=tuple(node.interfaces),
        routes=tuple(node.routes),
        source_routes=tuple(node.source_routes),
        sysctls=node.sysctls,
        endpoint=EndpointPlan(tuple(node.tunnels), node.retransmission or timers.retransmission)
        if node.tunnels
        else None,
        speaker=speaker,
        tables=gateway_tables(spec, node.called, drawing.numbers, node.vpcs, node.ports)
        if node.role == "border-gateway"
        else None,
        vpc_table=(vpc_table(spec, node.called, node.gateways) if node.role == "vpc-router" else None),
        nat=tuple(node.nat),
        label=node.label,
    )


def _first_address(spec: LabSpec, gateway: Draft) -> IPv4Address:
    """The first public address of a gateway; behind NAT, too, for the device's own may be that of another device."""
    device = spec.idc.devices.get(gateway.called)
    if device is None:
        return gateway.source_routes[0].source
    return spec.cloud.customer_gateways[device.customer_gateway].public_addresses[0]


def _device_as(spec: LabSpec, device: str) -> int:
    return spec.cloud.customer_gateways[spec.idc.devices[device].customer_gateway].asn


def _pings(spec: LabSpec, connection: Connection, numbers: Numbering) -> Iterator[PingPlan]:
    """The pings that prove the tunnels: from an instance that the customer knows of to a host behind the device.

    In policy mode both are in the selectors; where none is, nothing proves a tunnel.
    """
    cloud_ranges, customer_ranges = selectors_of(connection.spec)
    hosts = [
        (host, address)
        for lan in spec.idc.devices[connection.device].lans.values()
        for host, address in lan.hosts.items()
        if any(address in network for network in customer_ranges)
    ]
    valid = valid_without_vpn(spec, connection.border_gateway, numbers)
    instances = [
        (name, instance.address)
        for attachment in spec.cloud.vpc_attachments
        if attachment.border_gateway == connection.border_gateway
        for name, instance in spec.cloud.vpcs[attachment.vpc].instances.items()
        if any(instance.address in network for network in cloud_ranges)
        and any(route.next_hop == attachment.vpc for route in longest_prefix(valid, instance.address) or ())
    ]
    if hosts and instances:
        (source_node, source), (destination_node, destination) = instances[0], hosts[0]
        for tunnel in connection.tunnels:
            yield PingPlan(tunnel.name, node_name(source_node), source, node_name(destination_node), destination)

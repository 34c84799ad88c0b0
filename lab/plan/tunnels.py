"""From a VPN connection to its tunnels, both ends of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from bgp.plan import NeighborPlan
from endpoint.plan import ANY_IPV4, TunnelPlan
from lab.cloud.high_availability import AddressPair, initial_pairs
from lab.plan.allocations import Numbering
from lab.plan.mtu import inner_mtu
from lab.plan.timers import Timers
from lab.spec.model import CustomerGateway, Device, LabSpec, NatRouter, Tunnel, VpnConnection
from lab.spec.names import node_name

PATH_MTU = 1500
"""Bytes that every link of the lab carries."""

UNBOUNDED_MBPS = 1_500
"""The most that the cloud sells, and the default: no bound stands for it. It would cost time with each packet, and the
guests in which most labs run forward some tens of Mbit/s."""

INNER_POOL = tuple(
    IPv4Network(text)
    for text in ("169.254.10.0/23", "169.254.12.0/22", "169.254.2.0/23", "169.254.4.0/22", "169.254.8.0/23")
)
"""Where inner networks that the file leaves out come from, in this order (chosen inside the cloud's 169.254.0.0/20: 896
tunnels, more than twice the quotas' 400; clear of 169.254.0.0/23, of which other clouds keep parts for themselves)."""

CLOUD_POOL = IPv4Network("203.0.113.0/24")
"""Where cloud public addresses that the file leaves out come from (RFC 5737, TEST-NET-3)."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One VPN connection with everything that its tunnels need, names resolved and addresses given.

    `nat_routers` are those before the customer's device, by their public addresses.
    """

    name: str
    border_gateway: str
    device: str
    customer_gateway: str
    spec: VpnConnection
    customer: CustomerGateway
    public_addresses: tuple[IPv4Address, ...]
    cloud_as: int
    tunnels: tuple[NumberedTunnel, ...]
    nat_routers: Mapping[IPv4Address, NatRouter]


@dataclass(frozen=True, slots=True)
class NumberedTunnel:
    """One tunnel of a connection, with its inner network decided and a number of its own in the lab.

    `name` is what the engines know it by: "hq-1".
    """

    name: str
    number: int
    spec: Tunnel
    inner: IPv4Network

    @property
    def cloud_inner(self) -> IPv4Address:
        """The cloud's address in the /30: the second host unless the file says otherwise."""
        return self.spec.cloud_inner_address or self.inner[2]

    @property
    def customer_inner(self) -> IPv4Address:
        """The other host of the /30."""
        return self.inner[1] if self.cloud_inner == self.inner[2] else self.inner[2]

    @property
    def interface(self) -> str:
        """The XFRM interface's name, the same at both ends."""
        return f"xfrm{self.number}"


def connections(spec: LabSpec, numbering: Numbering | None = None) -> tuple[Connection, ...]:
    """All VPN connections of a topology with their tunnels, numbered and addressed.

    A tunnel is known by its connection and its two public addresses: where `numbering` remembers these, it has the
    name, number and inner network of before, and a connection its addresses. New ones follow the file's order.
    """
    numbers = numbering or Numbering()
    return tuple(_connection(spec, name, numbers) for name in spec.cloud.vpn_connections)


def _connection(spec: LabSpec, name: str, numbers: Numbering) -> Connection:
    connection = spec.cloud.vpn_connections[name]
    customer = spec.cloud.customer_gateways[connection.customer_gateway]
    addresses = connection.public_addresses or _public_addresses(spec, name, numbers)
    wanted = connection.tunnels
    if wanted is None:
        pairs = initial_pairs(addresses, customer.public_addresses)
        wanted = tuple(Tunnel(cloud_address=pair.cloud, customer_address=pair.customer) for pair in pairs)
    device = device_of(spec, connection.customer_gateway)
    return Connection(
        name=name,
        border_gateway=connection.border_gateway,
        device=device,
        customer_gateway=connection.customer_gateway,
        spec=connection,
        customer=customer,
        public_addresses=tuple(addresses),
        cloud_as=connection.local_asn or spec.cloud.border_gateways[connection.border_gateway].asn,
        tunnels=tuple(_numbered(spec, name, tunnel, numbers) for tunnel in wanted),
        nat_routers={router.public_address: router for router in spec.idc.devices[device].nat_routers.values()},
    )


def tunnel_key(connection: str, pair: AddressPair) -> str:
    """What a tunnel is known by: "hq 203.0.113.10 - 198.51.100.10"."""
    return f"{connection} {pair.cloud} - {pair.customer}"


def _numbered(spec: LabSpec, connection: str, tunnel: Tunnel, numbers: Numbering) -> NumberedTunnel:
    key = tunnel_key(connection, AddressPair(tunnel.cloud_address, tunnel.customer_address))
    position = numbers.take(f"tunnel of {connection}", key)
    return NumberedTunnel(
        f"{node_name(connection)}-{position}",
        numbers.take("tunnel", key),
        tunnel,
        _inner_network(spec, key, tunnel, numbers),
    )


def written_keys(spec: LabSpec, numbering: Numbering | None = None) -> dict[str, str]:
    """The pre-shared keys that stand in the file, by tunnel. To be kept out of plans, logs and messages."""
    return {
        tunnel.name: tunnel.spec.psk.get_secret_value()
        for connection in connections(spec, numbering)
        for tunnel in connection.tunnels
        if tunnel.spec.psk is not None
    }


def device_of(spec: LabSpec, customer_gateway: str) -> str:
    """The device that stands for a customer gateway in the IDC."""
    return next(name for name, device in spec.idc.devices.items() if device.customer_gateway == customer_gateway)


Ranges = tuple[IPv4Network, ...]


def selectors_of(connection: VpnConnection) -> tuple[Ranges, Ranges]:
    """The traffic selectors of a connection's tunnels, the cloud's side first: everything, or those of policy mode."""
    if connection.traffic_selectors is None:
        return (ANY_IPV4,), (ANY_IPV4,)
    remote = dict.fromkeys(subnet for one in connection.traffic_selectors for subnet in one.remote_subnets)
    return tuple(one.local_subnet for one in connection.traffic_selectors), tuple(remote)


def tunnel_ends(
    tunnel: NumberedTunnel, timers: Timers, selectors: tuple[Ranges, Ranges], nat: NatRouter | None = None
) -> tuple[TunnelPlan, TunnelPlan]:
    """The cloud's and the customer's end of a tunnel with its own timers; `nat` is before the customer's.

    The cloud initiates, unless nothing comes in through the NAT unasked; and it bounds both directions' bandwidth.
    The cloud knows the customer by the public address, which is therefore the customer's identity behind NAT, too.
    `selectors` has the cloud's side first.
    """
    spec = tunnel.spec
    ike = f"{spec.ike_cipher}-{spec.ike_auth}-{spec.ike_key_exchange}"
    esp = f"{spec.ipsec_cipher}-{spec.ipsec_auth}" + (f"-{spec.ipsec_key_exchange}" if spec.ipsec_key_exchange else "")
    cloud_id = spec.local_id or str(spec.cloud_address)
    customer_id = spec.remote_id or str(spec.customer_address)

    def end(here: IPv4Address, there: IPv4Address, ids: tuple[str, str], inner: IPv4Address, peer_inner: IPv4Address,
            ts: tuple[Ranges, Ranges], *, initiate: bool) -> TunnelPlan:  # fmt: skip
        return TunnelPlan(
            name=tunnel.name,
            interface=tunnel.interface,
            if_id=tunnel.number,
            local_address=here,
            remote_address=there,
            local_id=ids[0],
            remote_id=ids[1],
            inner=IPv4Interface(f"{inner}/{tunnel.inner.prefixlen}"),
            peer_inner=peer_inner,
            inner_mtu=inner_mtu(PATH_MTU, spec.ipsec_cipher, spec.ipsec_auth, udp=nat is not None),
            initiate=initiate,
            admin_up=spec.admin == "up",
            ike_version=1 if spec.ike_version == "v1" else 2,
            aggressive=spec.ike_mode == "aggressive",
            ike_proposals=(ike,),
            esp_proposals=(esp,),
            ike_lifetime_s=spec.ike_sa_life_sec,
            child_lifetime_s=spec.ipsec_sa_life_sec,
            child_lifetime_packets=spec.ipsec_sa_life_pkt,
            child_lifetime_bytes=spec.ipsec_sa_life_byte,
            dpd_delay_s=timers.dpd_delay_s,
            dpd_retries=timers.retransmission.tries,
            local_ts=ts[0],
            remote_ts=ts[1],
        )

    cloud_initiates = nat is None or nat.port_forwarding
    at_device = nat.device_address if nat else spec.customer_address
    cloud = end(
        spec.cloud_address, spec.customer_address, (cloud_id, customer_id), tunnel.cloud_inner, tunnel.customer_inner,
        selectors, initiate=cloud_initiates,
    )  # fmt: skip
    customer = end(
        at_device, spec.cloud_address, (customer_id, cloud_id), tunnel.customer_inner, tunnel.cloud_inner,
        (selectors[1], selectors[0]), initiate=not cloud_initiates,
    )  # fmt: skip
    bounded = spec.bandwidth_mbps < UNBOUNDED_MBPS
    return replace(cloud, bandwidth_bps=1_000_000 * spec.bandwidth_mbps if bounded else 0), customer


def session_ends(
    connection: Connection, tunnel: NumberedTunnel, timers: Timers,
    announced_by_cloud: Iterable[IPv4Network], announced_by_customer: Iterable[IPv4Network], prepend: int,
) -> tuple[NeighborPlan, NeighborPlan]:  # fmt: skip
    """The cloud's and the customer's end of a tunnel's BGP session.

    The customer listens: as the responder of the IKE exchange it has the tunnel first, so that the cloud's first
    attempt finds it. `prepend` is how often the customer prepends its ASN.
    """
    admin_up = tunnel.spec.admin == "up"
    cloud = NeighborPlan(
        name=tunnel.name,
        interface=tunnel.interface,
        local_address=tunnel.cloud_inner,
        peer_address=tunnel.customer_inner,
        peer_as=connection.customer.asn,
        hold_time_s=timers.hold_time_s,
        keepalive_s=timers.keepalive_s,
        passive=False,
        admin_up=admin_up,
        announce=tuple(announced_by_cloud),
        local_as=connection.spec.local_asn,
    )
    customer = NeighborPlan(
        name=tunnel.name,
        interface=tunnel.interface,
        local_address=tunnel.customer_inner,
        peer_address=tunnel.cloud_inner,
        peer_as=connection.cloud_as,
        hold_time_s=timers.hold_time_s,
        keepalive_s=timers.keepalive_s,
        passive=True,
        admin_up=admin_up,
        announce=tuple(announced_by_customer),
        prepend=prepend,
    )
    return cloud, customer


def prepends_of(device: Device, connection: str, tunnel: NumberedTunnel) -> int:
    """How often a device prepends its ASN to what it announces over a tunnel."""
    ends = (tunnel.spec.cloud_address, tunnel.spec.customer_address)
    return sum(
        entry.times
        for entry in device.as_path_prepends
        if entry.vpn_connection == connection
        and entry.cloud_address in (None, ends[0])
        and entry.customer_address in (None, ends[1])
    )


def _inner_network(spec: LabSpec, key: str, tunnel: Tunnel, numbers: Numbering) -> IPv4Network:
    if tunnel.inner is not None:
        return IPv4Network((numbers.write("inner", key, int(tunnel.inner.network_address)), tunnel.inner.prefixlen))
    written = {
        int(other.inner.network_address)  # a /30, as all of them
        for connection in spec.cloud.vpn_connections.values()
        for other in connection.tunnels or ()
        if other.inner is not None
    }
    pool = (int(network.network_address) for part in INNER_POOL for network in part.subnets(new_prefix=30))
    return IPv4Network((numbers.take("inner", key, pool, avoid=written), 30))


def _public_addresses(spec: LabSpec, connection: str, numbers: Numbering) -> tuple[IPv4Address, ...]:
    taken = {int(a) for other in spec.cloud.vpn_connections.values() for a in other.public_addresses or ()}
    taken |= {int(a) for gateway in spec.cloud.customer_gateways.values() for a in gateway.public_addresses}
    pool = range(int(CLOUD_POOL[10]), int(CLOUD_POOL[250]))
    return tuple(
        IPv4Address(numbers.take("cloud address", f"{connection} {which}", pool, avoid=taken)) for which in (1, 2)
    )

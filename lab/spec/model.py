"""What the user asked for, in the cloud's terms: a frozen LabSpec.

Names, ranges and defaults are the cloud's (its tunnel parameters in snake_case). None means "left
out": the plan decides. Rules about one value stand in `fields`, rules between values in `checks`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.cloud.vpc_routes import EVERYTHING, PROPAGATION_PRIORITY, STATIC_PRIORITY
from lab.spec.fields import (
    Address,
    BandwidthMbps,
    CloudAddresses,
    CloudAsn,
    CustomerAddresses,
    CustomerAsn,
    Description,
    Dpd,
    DpdDelaySec,
    DpdRetries,
    FormatVersion,
    HoldSec,
    Identity,
    Inner,
    KeepaliveSec,
    LabName,
    Link,
    Name,
    Named,
    Network,
    PfsGroup,
    Prepends,
    PropagationPriority,
    Psk,
    PublicAddress,
    Range,
    SaLifeBytes,
    SaLifePackets,
    SaLifeSec,
    Truth,
    VpcRulePriority,
    nothing_named,
)


class Part(BaseModel):
    """A mapping with fixed keys. Pydantic takes its settings by inheritance."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StaticRoute(Part):
    """A static route of a border gateway: to the tunnels of a VPN connection that are UP, or to a VPC."""

    destination: Network = Field(description="the range that is reached")
    vpn_connection: Name | None = Field(None, description="a VPN connection of the border gateway")
    vpc: Name | None = Field(None, description="a VPC that is attached to the border gateway")

    @property
    def next_hop(self) -> tuple[str | None, str | None]:
        """The VPN connection or the VPC that it leads to."""
        return self.vpn_connection, self.vpc


class BorderGateway(Part):
    """The cloud's router that VPN connections and VPCs hang on."""

    asn: CloudAsn = Field(65000, description="ASN of the cloud side, 64512-65534")
    static_routes: tuple[StaticRoute, ...] = Field((), description="routes that the user sets; they win over BGP's")
    description: Description = Field("", description="at most 256 characters for whoever reads it")


class VpcRule(Part):
    """A static rule of a VPC's route table: to a border gateway."""

    destination: Network = Field(description="the range that is reached")
    border_gateway: Name = Field(description="the border gateway that the VPC is attached to and that leads there")
    priority: VpcRulePriority = Field(STATIC_PRIORITY, description="1-255; of equal ranges the lowest value wins")


class RoutePropagation(Part):
    """Takes a border gateway's routes into a VPC's route table."""

    border_gateway: Name = Field(description="a border gateway that the VPC is attached to")
    cidrs: tuple[Network, ...] = Field(EVERYTHING, description="what is taken lies in one of these; 0.0.0.0/0: all")
    priority: PropagationPriority = Field(
        PROPAGATION_PRIORITY, description="101-255; of equal ranges the lowest value wins"
    )


class Instance(Part):
    """A virtual machine of a VPC."""

    subnet: Name = Field(description="the subnet of the VPC that the instance is in")
    address: Address = Field(description="a host address of that subnet; the first one is the router's")


class Vpc(Part):
    """A private network of the cloud."""

    cidr: Range = Field(description="the VPC's range; must not overlap any range of the IDC")
    subnets: Named[Link] = Field(default_factory=nothing_named, description="ranges inside the VPC's range, by name")
    instances: Named[Instance] = Field(default_factory=nothing_named, description="virtual machines, by name")
    routes: tuple[VpcRule, ...] = Field((), description="static rules of the VPC's route table")
    route_propagations: tuple[RoutePropagation, ...] | None = Field(
        None, description="left out: everything from every border gateway that the VPC is attached to"
    )
    description: Description = Field("", description="at most 256 characters for whoever reads it")


class VpcAttachment(Part):
    """Ties a VPC to a border gateway, at most once per pair."""

    vpc: Name = Field(description="the VPC's name")
    border_gateway: Name = Field(description="the border gateway's name")
    propagate: Literal["all", "partial", "none"] = Field(
        "all", description="which of the VPC's subnets the border gateway learns: all, partial (those listed) or none"
    )
    subnets: tuple[Name, ...] | None = Field(None, description="the subnets to propagate; with partial only")
    description: Description = Field("", description="at most 256 characters for whoever reads it")


class CustomerGateway(Part):
    """What the cloud knows of the customer's device."""

    asn: CustomerAsn = Field(description="the customer's ASN, 65001-65499")
    public_addresses: CustomerAddresses = Field(description="1, 2 or 4 distinct public addresses")
    description: Description = Field("", description="at most 256 characters for whoever reads it")


class Tunnel(Part):
    """One IPsec tunnel of a VPN connection, with the cloud's parameters. "local" is the cloud's end."""

    cloud_address: PublicAddress = Field(description="one of the connection's public addresses")
    customer_address: PublicAddress = Field(description="one of the customer gateway's public addresses")
    psk: Psk | None = Field(None, description="pre-shared key, 1-20 of A-Z a-z 0-9 _ -; left out: generated")
    local_id: Identity | None = Field(None, description="identity of the cloud's end; left out: its public address")
    remote_id: Identity | None = Field(None, description="identity of the customer's end; left out: its public address")
    inner: Inner | None = Field(
        None, description="inner network, a /30 in 169.254.0.0/20 or a private range; left out: allocated"
    )
    cloud_inner_address: Address | None = Field(
        None, description="which of the two hosts of the inner network the cloud is; left out: the second"
    )
    ike_version: Literal["v1", "v2"] = Field("v2", description="IKE version")
    ike_mode: Literal["main", "aggressive"] = Field("main", description="mode of IKEv1; ignored by v2")
    ike_key_exchange: Literal["modp1024", "modp1536", "modp2048", "ecp256", "ecp384"] = Field(
        "ecp256", description="IKE Diffie-Hellman group"
    )
    ike_cipher: Literal["aes128", "aes192", "aes256", "3des"] = Field("aes128", description="IKE encryption")
    ike_auth: Literal["sha1", "sha256", "sha384"] = Field("sha256", description="IKE authentication")
    ike_dpd_sec: Dpd = Field(10, description="dead peer detection: 10 seconds or 0 (off)")
    ike_sa_life_sec: SaLifeSec = Field(14_400, description="IKE SA lifetime in seconds, 60-86400")
    ipsec_cipher: Literal["aes128", "aes192", "aes256"] = Field("aes128", description="ESP encryption")
    ipsec_auth: Literal["sha1", "sha256", "sha384"] = Field("sha256", description="ESP authentication")
    ipsec_key_exchange: PfsGroup = Field(None, description="PFS group; null: no PFS")
    ipsec_sa_life_sec: SaLifeSec = Field(3_600, description="child SA lifetime in seconds, 60-86400")
    ipsec_sa_life_pkt: SaLifePackets = Field(0, description="child SA lifetime in packets; 0: off")
    ipsec_sa_life_byte: SaLifeBytes = Field(0, description="child SA lifetime in bytes; 0: off")
    bandwidth_mbps: BandwidthMbps = Field(1_500, description="bandwidth in Mbit/s, 1-1500")
    dpd_delay_sec: DpdDelaySec | None = Field(
        None, description="seconds of silence before a peer is asked whether it lives; left out: the timers'"
    )
    dpd_retries: DpdRetries | None = Field(
        None, description="repetitions before a silent peer is dead; IKEv2: the same for all tunnels of a gateway"
    )
    bgp_hold_sec: HoldSec | None = Field(None, description="BGP hold time in seconds; left out: the timers'")
    bgp_keepalive_sec: KeepaliveSec | None = Field(
        None, description="seconds between BGP keepalives; left out: a third of the hold time"
    )
    admin: Literal["up", "down"] = Field("up", description="admin status: up (enabled) or down (disabled)")
    description: Description = Field("", description="at most 256 characters for whoever reads it")


class TrafficSelector(Part):
    """What tunnels in policy mode let through: traffic between one subnet of the cloud's and some of the customer's."""

    local_subnet: Network = Field(description="a range on the cloud's side")
    remote_subnets: tuple[Network, ...] = Field(description="ranges on the customer's side")


class VpnConnection(Part):
    """Ties a customer gateway to a border gateway by tunnels."""

    border_gateway: Name = Field(description="the border gateway's name")
    customer_gateway: Name = Field(description="the customer gateway's name")
    public_addresses: CloudAddresses | None = Field(
        None, description="the two cloud public addresses; left out: allocated"
    )
    bgp: Truth = Field(default=True, description="true: eBGP in each tunnel; false: static routes only")
    traffic_selectors: tuple[TrafficSelector, ...] | None = Field(
        None, description="policy mode, with BGP off: what the tunnels let through; left out: everything (0.0.0.0/0)"
    )
    local_asn: CloudAsn | None = Field(
        None, description="ASN of the cloud side on this connection, 64512-65534; left out: the border gateway's"
    )
    tunnels: tuple[Tunnel, ...] | None = Field(
        None, description="left out: made for high availability, as the cloud does at first creation"
    )
    description: Description = Field("", description="at most 256 characters for whoever reads it")


class Cloud(Part):
    """The cloud's side."""

    border_gateways: Named[BorderGateway] = Field(description="border gateways, by name")
    vpcs: Named[Vpc] = Field(default_factory=nothing_named, description="VPCs, by name")
    vpc_attachments: tuple[VpcAttachment, ...] = Field((), description="which VPC is attached to which border gateway")
    customer_gateways: Named[CustomerGateway] = Field(
        default_factory=nothing_named, description="what the cloud knows of the customers' devices, by name"
    )
    vpn_connections: Named[VpnConnection] = Field(default_factory=nothing_named, description="VPN connections, by name")


class Lan(Part):
    """A network behind the customer's device."""

    cidr: Link = Field(description="the LAN's range; must not overlap any VPC")
    hosts: Named[Address] = Field(
        default_factory=nothing_named, description="addresses by host name; the first host address is the device's"
    )


class DeviceRoute(Part):
    """A static route of a customer's device: to the tunnels of a VPN connection that are up."""

    destination: Network = Field(description="the range that is reached")
    vpn_connection: Name = Field(description="a VPN connection to the device's customer gateway")


class NatRouter(Part):
    """A router at the customer's site that has one of the public addresses; the device is behind it."""

    public_address: PublicAddress = Field(description="one of the customer gateway's public addresses")
    device_address: Address = Field(description="what the device has instead: a private address, as 192.168.1.2")
    port_forwarding: Truth = Field(
        default=True,
        description="true: UDP 500 and 4500 from outside go to the device; false: the device has to initiate",
    )


class AsPathPrepend(Part):
    """Makes a device's announcement over some tunnels a longer way, so that the cloud prefers the others."""

    vpn_connection: Name = Field(description="a VPN connection to the device's customer gateway, with BGP on")
    cloud_address: PublicAddress | None = Field(
        None, description="only tunnels to this public address of the connection; left out: to both"
    )
    customer_address: PublicAddress | None = Field(
        None, description="only tunnels from this public address of the device; left out: from all"
    )
    times: Prepends = Field(description="how often the device's ASN stands in the AS_PATH beyond the one time, 1-10")


class Device(Part):
    """A customer's device: the other end of the VPN."""

    customer_gateway: Name = Field(description="the customer gateway that the device is to the cloud")
    lans: Named[Lan] = Field(default_factory=nothing_named, description="networks behind the device, by name")
    static_routes: tuple[DeviceRoute, ...] = Field((), description="routes that the customer sets on the device")
    nat_routers: Named[NatRouter] = Field(
        default_factory=nothing_named, description="routers between the device and the internet, by name"
    )
    as_path_prepends: tuple[AsPathPrepend, ...] = Field(
        (), description="over which tunnels the device announces its networks with a longer AS_PATH"
    )


class Idc(Part):
    """The customer's side."""

    devices: Named[Device] = Field(default_factory=nothing_named, description="customers' devices, by name")


class LabSpec(Part):
    """A whole topology file."""

    vpnlab: FormatVersion = Field(description="version of the file format: 1")
    name: LabName = Field(description="the lab's name: 1-32 of a-z 0-9 -, beginning with a letter")
    timers: Literal["production", "fast"] = Field(
        "production", description="DPD and BGP timers: production (the cloud's) or fast (for CI)"
    )
    cloud: Cloud = Field(description="the cloud's side")
    idc: Idc = Field(default_factory=Idc, description="the customer's side")

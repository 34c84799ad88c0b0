"""What one VPN endpoint is to be: the value that goes down. Keys travel beside it, never in it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Literal

ANY_IPV4 = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class TunnelPlan:
    """One route-based IPsec tunnel: an IKE connection, its child and its XFRM interface.

    `ike_proposals` and `esp_proposals` are strongSwan proposal strings ("aes128-sha256-ecp256").
    Zero switches a lifetime or DPD off. `if_id` joins SA, policy and interface; with 0 there is
    no XFRM interface and the selectors alone decide.
    `dpd_retries` counts for IKEv1 alone: in IKEv2 it is the daemon's retransmission that says when a peer is dead.
    `initiate` says which end starts; `inner` is this end's address in the tunnel's /30.
    `bandwidth_bps` bounds what this end forwards over the tunnel, in each direction by itself: bit/s of inner packets,
    0 for no bound.
    """

    name: str
    interface: str
    if_id: int
    local_address: IPv4Address
    remote_address: IPv4Address
    local_id: str
    remote_id: str
    inner: IPv4Interface
    peer_inner: IPv4Address
    inner_mtu: int
    initiate: bool
    admin_up: bool = True
    ike_version: Literal[1, 2] = 2
    aggressive: bool = False
    ike_proposals: tuple[str, ...] = ("aes128-sha256-ecp256",)
    esp_proposals: tuple[str, ...] = ("aes128-sha256",)
    ike_lifetime_s: int = 14400
    child_lifetime_s: int = 3600
    child_lifetime_packets: int = 0
    child_lifetime_bytes: int = 0
    dpd_delay_s: int = 10
    dpd_retries: int = 3
    bandwidth_bps: int = 0
    local_ts: tuple[IPv4Network, ...] = (ANY_IPV4,)
    remote_ts: tuple[IPv4Network, ...] = (ANY_IPV4,)


@dataclass(frozen=True, slots=True)
class Retransmission:
    """strongSwan's retransmission schedule: the n-th waits `timeout_s * base ** n` seconds.

    After `tries` retransmissions the peer is dead. It is a setting of the daemon, not of a
    connection, and so it also decides how long dead peer detection takes.
    """

    timeout_s: float
    base: float
    tries: int


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """One charon with its tunnels."""

    tunnels: tuple[TunnelPlan, ...]
    retransmission: Retransmission


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """One plain interface: a veth end that is already in the namespace and is found by its MAC.

    `mac` is "02:00:00:00:00:01", any case. Addresses that are not named here are removed.
    """

    name: str
    mac: str
    addresses: tuple[IPv4Interface, ...]
    mtu: int
    up: bool = True


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where a route leads: out of `interface`, to the neighbour `via` or, with None, directly."""

    interface: str
    via: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """One route; several next hops share the flows between them (ECMP)."""

    destination: IPv4Network
    next_hops: tuple[NextHop, ...]


@dataclass(frozen=True, slots=True)
class NatPlan:
    """Behind the interface `outside`, whose address is `public`, is the address `private`.

    `forwards_ike`: what comes unasked for UDP 500 and 4500 goes there.
    """

    outside: str
    public: IPv4Address
    private: IPv4Address
    forwards_ike: bool


@dataclass(frozen=True, slots=True)
class SourceRoute:
    """Packets from `source`, one of the node's own addresses, leave by `interface`; the peer answers ARP for all."""

    source: IPv4Address
    interface: str

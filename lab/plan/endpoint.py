"""An EndpointSpec to a NodePlan: one end of a VPN connection, on a host that has its interfaces already. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from bgp.plan import NeighborPlan, SpeakerPlan
from endpoint.plan import ANY_IPV4, EndpointPlan, NextHop, RoutePlan, TunnelPlan
from lab.cloud.quotas import DYNAMIC_ROUTES
from lab.plan.model import NodePlan, Role
from lab.plan.mtu import inner_mtu
from lab.plan.timers import Timers, timers_for, timers_of
from lab.plan.tunnels import NumberedTunnel, tunnel_ends
from lab.spec.endpoint_model import EndpointSpec, EndpointTunnel

ROLES: Mapping[str, Role] = {"cloud": "border-gateway", "idc": "customer-device"}

EVERYTHING = ((ANY_IPV4,), (ANY_IPV4,))
"""The traffic selectors: an endpoint alone is route-based."""

SYSCTLS = (
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/fib_multipath_hash_policy", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
)
"""A gateway forwards, shares flows between its tunnels, and takes packets by any of them."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a tunnel: its IPsec and, where BGP is on, its session."""

    tunnel: TunnelPlan
    session: NeighborPlan | None


@dataclass(frozen=True, slots=True)
class Ends:
    """A tunnel as this host has it and as the other end must."""

    here: End
    there: End


def compile_endpoint(spec: EndpointSpec, own: Mapping[IPv4Address, IPv4Address]) -> NodePlan:
    """All that the agent needs. `own` has the host's address behind each public one of this end that is not on it."""
    ends = [pair.here for pair in both_ends(spec, own)]
    sessions = tuple(end.session for end in ends if end.session is not None)
    first = spec.own_public_address(spec.tunnels[0])
    speaker = SpeakerPlan(
        local_as=_own_asn(spec, spec.side),
        router_id=first,
        neighbors=sessions,
        max_prefixes=DYNAMIC_ROUTES.limit if spec.side == "cloud" else None,
    )
    hops = tuple(NextHop(end.tunnel.interface, end.tunnel.peer_inner) for end in ends)
    return NodePlan(
        name=spec.name,
        role=ROLES[spec.side],
        interfaces=(),
        routes=tuple(RoutePlan(destination, hops) for destination in spec.routes),
        sysctls=SYSCTLS,
        endpoint=EndpointPlan(
            tuple(end.tunnel for end in ends), timers_for(spec.tunnels[0], timers_of(spec.timers)).retransmission
        ),
        speaker=speaker if sessions else None,
    )


def both_ends(spec: EndpointSpec, own: Mapping[IPv4Address, IPv4Address]) -> tuple[Ends, ...]:
    """Both ends of each tunnel, this host's and the other's, in the file's order."""
    return tuple(_ends(spec, index, tunnel, own) for index, tunnel in enumerate(spec.tunnels))


def _ends(spec: EndpointSpec, index: int, tunnel: EndpointTunnel, own: Mapping[IPv4Address, IPv4Address]) -> Ends:
    timers = timers_for(tunnel, timers_of(spec.timers))
    numbered = NumberedTunnel(spec.tunnel_name(index), index + 1, tunnel, tunnel.inner)
    udp = spec.nat or any(other.own_address is not None for other in spec.tunnels)
    mtu = inner_mtu(spec.path_mtu, tunnel.ipsec_cipher, tunnel.ipsec_auth, udp=udp)
    cloud, customer = (replace(end, inner_mtu=mtu) for end in tunnel_ends(numbered, timers, EVERYTHING))
    here, there = (cloud, customer) if spec.side == "cloud" else (customer, cloud)
    if spec.initiate is not None:
        here, there = replace(here, initiate=spec.initiate), replace(there, initiate=not spec.initiate)
    here = replace(here, local_address=own.get(here.local_address, here.local_address))
    other = "idc" if spec.side == "cloud" else "cloud"
    return Ends(End(here, _session(spec, spec.side, here, timers)), End(there, _session(spec, other, there, timers)))


def _session(spec: EndpointSpec, side: str, end: TunnelPlan, timers: Timers) -> NeighborPlan | None:
    if not spec.bgp:
        return None
    is_here = side == spec.side
    passive = side == "idc" if spec.bgp_passive is None else spec.bgp_passive == is_here
    return NeighborPlan(
        name=end.name,
        interface=end.interface,
        local_address=end.inner.ip,
        peer_address=end.peer_inner,
        peer_as=_own_asn(spec, "idc" if side == "cloud" else "cloud"),
        hold_time_s=timers.hold_time_s,
        passive=passive,
        admin_up=end.admin_up,
        announce=spec.announce if is_here else (),
        keepalive_s=timers.keepalive_s,
    )


def _own_asn(spec: EndpointSpec, side: str) -> int:
    """The ASN of a side; the spec's rules see to it that a customer who speaks BGP has one."""
    return spec.cloud_asn if side == "cloud" else spec.customer_asn or 0

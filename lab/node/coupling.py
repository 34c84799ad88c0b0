"""What ties BGP and routes to tunnels: a tunnel that does not carry traffic takes its routes away at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Network

from bgp.path import Path
from bgp.plan import SpeakerPlan
from endpoint.plan import EndpointPlan, NextHop, RoutePlan, TunnelPlan
from endpoint.report import EndpointReport, InterfaceReport

Routes = Mapping[IPv4Network, tuple[NextHop, ...]]


def carrying_interfaces(plan: EndpointPlan, report: EndpointReport, ports: Iterable[InterfaceReport]) -> frozenset[str]:
    """The XFRM interfaces that carry traffic now: child SA installed, and the port below it up."""
    up = {tunnel.name for tunnel in report.tunnels if tunnel.state == "up"}
    return frozenset(tunnel.interface for tunnel in plan.tunnels if tunnel.name in up) - over_shut_ports(plan, ports)


def over_shut_ports(plan: EndpointPlan, ports: Iterable[InterfaceReport]) -> frozenset[str]:
    """The XFRM interfaces of tunnels that start at a port which is down."""
    shut = shut_addresses(ports)
    return frozenset(tunnel.interface for tunnel in plan.tunnels if str(tunnel.local_address) in shut)


def shut_addresses(ports: Iterable[InterfaceReport]) -> frozenset[str]:
    """The addresses of ports that are down: a tunnel that starts at one of them carries nothing."""
    return frozenset(str(address.ip) for port in ports if not port.up for address in port.addresses)


def speaker_now(plan: SpeakerPlan, carrying: frozenset[str]) -> SpeakerPlan:
    """The speaker's plan for this moment: who opens the session waits for the tunnel, who listens does so at once.

    A refused connection would be tried again only after a second or more, and a session over a dead tunnel would
    only wait for its hold timer. One that is switched off stays in the plan, so that the speaker says so.
    """
    neighbors = tuple(n for n in plan.neighbors if n.passive or not n.admin_up or n.interface in carrying)
    return replace(plan, neighbors=neighbors)


def bgp_routes(best: Mapping[IPv4Network, tuple[Path, ...]], carrying: frozenset[str]) -> Routes:
    """The routes that BGP's best paths give the kernel, over tunnels that carry traffic only."""
    routes = {}
    for prefix, paths in best.items():
        hops = tuple(NextHop(path.interface, path.next_hop) for path in paths if path.interface in carrying)
        if hops:
            routes[prefix] = hops
    return routes


def static_routes(plans: Iterable[RoutePlan], tunnels: Iterable[TunnelPlan], carrying: frozenset[str]) -> Routes:
    """The planned routes; next hops over a tunnel count only while it carries traffic."""
    behind_tunnels = {tunnel.interface for tunnel in tunnels}
    routes = {}
    for plan in plans:
        hops = tuple(h for h in plan.next_hops if h.interface not in behind_tunnels or h.interface in carrying)
        if hops:
            routes[plan.destination] = hops
    return routes

"""What must hold of the routes in a LabSpec, and of how they are announced: each leads to something that is there."""

from __future__ import annotations

from ipaddress import IPv4Address

from lab.spec.model import AsPathPrepend, Device, LabSpec, VpnConnection
from lab.spec.rule_parts import Findings, refers, row, set_once
from lab.spec.wording import Finding, Path


def static_routes_lead_somewhere(spec: LabSpec) -> Findings:
    """A border gateway's static route leads to one of its VPN connections or of the VPCs attached to it."""
    cloud = spec.cloud
    for name, border in cloud.border_gateways.items():
        connections = {key: one for key, one in cloud.vpn_connections.items() if one.border_gateway == name}
        vpcs = {one.vpc: one for one in cloud.vpc_attachments if one.border_gateway == name}
        for index, route in enumerate(border.static_routes):
            path: Path = ("cloud", "border_gateways", name, "static_routes", index)
            if (route.vpn_connection is None) == (route.vpc is None):
                why = "a static route has one next hop"
                yield Finding(path, "one of vpn_connection and vpc is to be named", why, "name one of them")
            elif route.vpn_connection is not None:
                kind = f"VPN connection of border gateway {name}"
                yield from refers((*path, "vpn_connection"), route.vpn_connection, kind, connections)
            elif route.vpc is not None:
                yield from refers((*path, "vpc"), route.vpc, f"VPC attached to border gateway {name}", vpcs)
        yield from set_once(
            (("cloud", "border_gateways", name, "static_routes", index), (route.destination, route.next_hop))
            for index, route in enumerate(border.static_routes)
        )


def vpc_routes_lead_to_attached_gateways(spec: LabSpec) -> Findings:
    """A VPC's static rules and route propagations name border gateways that the VPC is attached to."""
    for name, vpc in spec.cloud.vpcs.items():
        attached = {one.border_gateway: one for one in spec.cloud.vpc_attachments if one.vpc == name}
        kind = f"border gateway that VPC {name} is attached to"
        named: list[tuple[Path, str]] = [(("routes", at), rule.border_gateway) for at, rule in enumerate(vpc.routes)]
        named += [
            (("route_propagations", at), entry.border_gateway) for at, entry in enumerate(vpc.route_propagations or ())
        ]
        for place, gateway in named:
            yield from refers(("cloud", "vpcs", name, *place, "border_gateway"), gateway, kind, attached)
        yield from set_once(
            (("cloud", "vpcs", name, "routes", index), (rule.destination, rule.border_gateway))
            for index, rule in enumerate(vpc.routes)
        )


def device_routes_lead_to_its_connections(spec: LabSpec) -> Findings:
    """Ours: a device's static routes and prepends name VPN connections that end at the device."""
    for name, device in spec.idc.devices.items():
        ending = _ending_at(spec, device)
        kind = f"VPN connection to customer gateway {device.customer_gateway}"
        named = [(("static_routes", at), route.vpn_connection) for at, route in enumerate(device.static_routes)]
        named += [(("as_path_prepends", at), one.vpn_connection) for at, one in enumerate(device.as_path_prepends)]
        for place, connection in named:
            yield from refers(("idc", "devices", name, *place, "vpn_connection"), connection, kind, ending)
        yield from set_once(
            (("idc", "devices", name, "static_routes", index), (route.destination, route.vpn_connection))
            for index, route in enumerate(device.static_routes)
        )


def prepends_concern_its_tunnels_once(spec: LabSpec) -> Findings:
    """Ours: a device prepends on tunnels of its own that have a BGP session, once on each."""
    for name, device in spec.idc.devices.items():
        ending = _ending_at(spec, device)
        for index, entry in enumerate(device.as_path_prepends):
            path: Path = ("idc", "devices", name, "as_path_prepends", index)
            connection = ending.get(entry.vpn_connection)
            if connection and not connection.bgp:
                what = f"VPN connection {entry.vpn_connection} has BGP off"
                why = "an AS_PATH is part of what BGP announces"
                yield Finding((*path, "vpn_connection"), what, why, "write bgp: true there, or remove the entry")
            customer = spec.cloud.customer_gateways.get(device.customer_gateway)
            if connection and customer:
                yield from _belongs((*path, "cloud_address"), entry.cloud_address, connection.public_addresses or ())
                yield from _belongs((*path, "customer_address"), entry.customer_address, customer.public_addresses)
            for first, earlier in enumerate(device.as_path_prepends[:index]):
                if _share_a_tunnel(earlier, entry):
                    what = f"it concerns tunnels of idc.devices.{name}.as_path_prepends[{first}] too"
                    why = "a session announces its routes with one AS_PATH"
                    yield Finding(path, what, why, "narrow one of them by cloud_address or customer_address")
                    break


def _ending_at(spec: LabSpec, device: Device) -> dict[str, VpnConnection]:
    connections = spec.cloud.vpn_connections.items()
    return {name: one for name, one in connections if one.customer_gateway == device.customer_gateway}


def _belongs(path: Path, address: IPv4Address | None, known: tuple[IPv4Address, ...]) -> Findings:
    if address is not None and address not in known:
        mend = f"use one of {row(known)}" if known else "write public_addresses of the VPN connection as well"
        yield Finding(path, f"{address} is at no end of the connection's tunnels", "it says which tunnels", mend)


def _share_a_tunnel(one: AsPathPrepend, other: AsPathPrepend) -> bool:
    return one.vpn_connection == other.vpn_connection and all(
        None in ends or ends[0] == ends[1]
        for ends in ((one.cloud_address, other.cloud_address), (one.customer_address, other.customer_address))
    )

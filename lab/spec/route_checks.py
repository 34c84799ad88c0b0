"""What must hold of the routes in a LabSpec: each leads to something that is there."""

from __future__ import annotations

from lab.spec.model import LabSpec
from lab.spec.rule_parts import Findings, refers, set_once
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
    """Ours: a device's static route leads to a VPN connection that ends at the device."""
    for name, device in spec.idc.devices.items():
        ending = {
            key: one
            for key, one in spec.cloud.vpn_connections.items()
            if one.customer_gateway == device.customer_gateway
        }
        for index, route in enumerate(device.static_routes):
            path: Path = ("idc", "devices", name, "static_routes", index)
            kind = f"VPN connection to customer gateway {device.customer_gateway}"
            yield from refers((*path, "vpn_connection"), route.vpn_connection, kind, ending)
        yield from set_once(
            (("idc", "devices", name, "static_routes", index), (route.destination, route.vpn_connection))
            for index, route in enumerate(device.static_routes)
        )

"""How many of a resource the cloud gives."""

from __future__ import annotations

from lab.cloud import quotas
from lab.spec.model import LabSpec
from lab.spec.rule_parts import Findings, within
from lab.spec.walks import connections
from lab.spec.wording import Path


def quotas_are_kept(spec: LabSpec) -> Findings:
    """No holder has more of a resource than the cloud gives it; a lab is one region."""
    cloud = spec.cloud
    borders: list[Path] = [("cloud", "border_gateways", name) for name in cloud.border_gateways]
    yield from within(quotas.BORDER_GATEWAYS, borders)
    customers: list[Path] = [("cloud", "customer_gateways", name) for name in cloud.customer_gateways]
    yield from within(quotas.CUSTOMER_GATEWAYS, customers)
    attached: dict[str, list[Path]] = {}
    for index, attachment in enumerate(cloud.vpc_attachments):
        attached.setdefault(attachment.border_gateway, []).append(("cloud", "vpc_attachments", index))
    connected: dict[str, list[Path]] = {}
    for path, connection in connections(spec):
        connected.setdefault(connection.border_gateway, []).append(path)
        customer = cloud.customer_gateways.get(connection.customer_gateway)
        if customer:
            named = [(*path, "tunnels", index) for index in range(len(connection.tunnels or ()))]
            yield from within(quotas.tunnels_quota(len(customer.public_addresses)), named)
    for name, border in cloud.border_gateways.items():
        routes: list[Path] = [
            ("cloud", "border_gateways", name, "static_routes", index) for index in range(len(border.static_routes))
        ]
        yield from within(quotas.STATIC_ROUTES, routes)
    for quota, held in ((quotas.VPC_ATTACHMENTS, attached), (quotas.VPN_CONNECTIONS, connected)):
        for paths in held.values():
            yield from within(quota, paths)

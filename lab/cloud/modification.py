"""What of a resource may change after its creation, and when. Pure. Source: the cloud's modify requests."""

from __future__ import annotations

from lab.cloud.resources import Kind, Resource, Resources, admin_up, changed_settings
from lab.cloud.tunnel_status import Status, refused_modification
from lab.errors import Problem

FIXED: dict[Kind, tuple[str, ...]] = {
    Kind.BORDER_GATEWAY: ("asn",),
    Kind.VPC: ("cidr",),
    Kind.CUSTOMER_GATEWAY: ("asn",),
    Kind.VPN_CONNECTION: ("border_gateway", "customer_gateway", "public_addresses", "local_asn"),
}
"""The settings that stay as they were at creation: the modify requests have no field for them."""

ADDRESSES = "public_addresses"


def refused_modifications(old: Resources, new: Resources) -> tuple[Problem, ...]:
    """Why some of the resources that stay cannot become what they are in `new`."""
    return tuple(
        problem for key, now in new.items() if (before := old.get(key)) for problem in _refused(before, now, old, new)
    )


def tunnels_that_stay(customer_gateway: Resource, old: Resources, new: Resources) -> tuple[str, ...]:
    """The tunnels to a customer gateway that are there before and after."""
    connections = {key for key, resource in old.items() if customer_gateway.key in resource.stands_on}
    return tuple(
        key.name
        for key, resource in old.items()
        if key.kind is Kind.VPN_TUNNEL and key in new and connections & resource.stands_on
    )


def _refused(before: Resource, now: Resource, old: Resources, new: Resources) -> list[Problem]:
    changed = changed_settings(before, now)
    kind = before.key.kind
    found = [
        Problem(
            str(before.key),
            f"{name} cannot be changed: it is {_worded(before.settings[name])}, not {_worded(now.settings[name])}",
            f"the cloud fixes {name} when a {kind} is created",
            f"delete the {kind} and create another, or leave {name} as it is",
        )
        for name in changed
        if name in FIXED.get(kind, ())
    ]
    if kind is Kind.CUSTOMER_GATEWAY and ADDRESSES in changed and (staying := tunnels_that_stay(before, old, new)):
        found.append(
            Problem(
                str(before.key),
                f"its addresses cannot be changed: it has {', '.join(f'tunnel {name}' for name in staying)}",
                "the cloud changes a customer gateway's addresses only while it has no tunnel",
                "disable and delete its tunnels first, and add new ones afterwards",
            )
        )
    if kind is Kind.VPN_TUNNEL:
        stays_up = admin_up(before) and admin_up(now)
        refused = refused_modification(before.key.name, Status.UP if stays_up else Status.DOWN, changed)
        found += [refused] if refused else []
    return found


def _worded(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)

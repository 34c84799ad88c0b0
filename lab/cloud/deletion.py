"""What of the cloud's resources may go, and in which order. Pure.

A border gateway goes only without VPN connections and attachments, a VPC only without attachments, a VPN connection
only without tunnels, a customer gateway only without VPN connections, a tunnel only while its admin status is DOWN.
"""

from __future__ import annotations

from collections.abc import Collection

from lab.cloud.resources import ORDER_OF_CREATION, Key, Kind, Resources, admin_up, standing_on
from lab.cloud.tunnel_status import Status, refused_deletion
from lab.errors import Problem


def deletion_order(going: Collection[Key]) -> tuple[Key, ...]:
    """The resources in an order in which nothing goes before what stands on it."""
    return tuple(sorted(going, key=lambda key: ORDER_OF_CREATION.index(key.kind), reverse=True))


def refused_deletions(old: Resources, going: Collection[Key]) -> tuple[Problem, ...]:
    """Why some of these cannot go: what stands on them stays, or they are tunnels that are enabled.

    `old` is what there is now. A tunnel that is to be disabled before it goes belongs into it with `admin` "down".
    """
    found = []
    for key in going:
        staying = [str(other) for other in standing_on(key, old) if other not in going]
        if staying:
            found.append(
                Problem(
                    str(key),
                    f"cannot be deleted: {', '.join(staying)} still stands on it",
                    f"the cloud deletes a {key.kind} only without {_dependents(key.kind)}",
                    f"delete {' and '.join(staying)} first",
                )
            )
        if key.kind is Kind.VPN_TUNNEL:
            refused = refused_deletion(key.name, Status.UP if admin_up(old[key]) else Status.DOWN)
            found += [refused] if refused else []
    return tuple(found)


def _dependents(kind: Kind) -> str:
    return " and ".join(f"{other}s" for other in DEPENDENTS[kind])


DEPENDENTS: dict[Kind, tuple[Kind, ...]] = {
    Kind.BORDER_GATEWAY: (Kind.VPC_ATTACHMENT, Kind.VPN_CONNECTION),
    Kind.VPC: (Kind.VPC_ATTACHMENT,),
    Kind.CUSTOMER_GATEWAY: (Kind.VPN_CONNECTION,),
    Kind.VPN_CONNECTION: (Kind.VPN_TUNNEL,),
}
"""What must have gone before a resource of each kind can go."""

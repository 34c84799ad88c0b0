"""Network address translation in front of a gateway, as routers at customers' sites do it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from endpoint.plan import NatPlan
from endpoint.ruleset import replaced

TABLE = "ip vpnlab_nat"
IKE, NAT_TRAVERSAL = 500, 4500  # RFC 7296 section 2, RFC 3947


def ruleset(routers: Iterable[NatPlan]) -> str:
    """What leaves has the outside's address; what comes is let in when it answers, or when its port is forwarded.

    In nft's language. ESP by itself is not forwarded: behind NAT it goes in UDP.
    """
    plans = tuple(routers)
    return replaced(TABLE, _lines(plans) if plans else ())


def _lines(plans: Iterable[NatPlan]) -> Iterator[str]:
    forwarding = [plan for plan in plans if plan.forwards_ike]
    yield "chain prerouting {"
    yield "  type nat hook prerouting priority dstnat; policy accept;"
    for plan in forwarding:
        ports = f"udp dport {{ {IKE}, {NAT_TRAVERSAL} }}"
        yield f'  iifname "{plan.outside}" ip daddr {plan.public} {ports} dnat to {plan.private}'
    yield "}"
    yield "chain postrouting {"
    yield "  type nat hook postrouting priority srcnat; policy accept;"
    for plan in plans:
        yield f'  oifname "{plan.outside}" masquerade'
    yield "}"
    yield "chain forward {"
    yield "  type filter hook forward priority filter; policy accept;"
    yield "  ct state established,related accept"
    yield "  ct status dnat accept"
    for plan in plans:
        yield f'  iifname "{plan.outside}" drop'
    yield "}"

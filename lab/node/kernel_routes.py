"""The routes of a node in its kernel: what they are to be is made so by difference."""

from __future__ import annotations

from itertools import islice
from typing import Literal

from endpoint.errors import EndpointError
from endpoint.routes import BGP, STATIC, Origin, set_routes
from lab.node.coupling import Routes
from lab.node.forwarding import Forwarding, Learned, Offered, forwarding_of
from lab.plan.model import NodePlan
from lab.plan.report import InstalledRoute, Offer

SHOWN_FAILURES = 5
"""How many routes that the kernel refused a problem names (chosen: a line or two)."""

OriginName = Literal["static", "bgp"]
ORIGINS: dict[OriginName, Origin] = {"static": STATIC, "bgp": BGP}


class KernelRoutes:
    """What the node is to forward, and what its kernel had when it was last looked at or changed."""

    def __init__(self) -> None:
        self._forwarding = Forwarding({}, {})
        self._made_of: tuple[object, ...] = (None,) * 4
        self._order: tuple[OriginName, ...] = ("static", "bgp")
        self._present: dict[OriginName, Routes] = {}
        self._unsure = set(ORIGINS)

    @property
    def offers(self) -> tuple[Offer, ...]:
        """What a border gateway offers to its VPCs now."""
        return self._forwarding.offers

    @property
    def order(self) -> tuple[OriginName, ...]:
        """In which order the origins are to be made so: what takes over is there before the other goes."""
        return self._order

    def want(self, plan: NodePlan, learned: Learned, offered: Offered, carrying: frozenset[str]) -> None:
        """Work out what is to be forwarded; not anew while all four are the very objects that they were."""
        made_of = (plan, learned, offered, carrying)
        if any(now is not before for now, before in zip(made_of, self._made_of, strict=True)):
            static_before = self._forwarding.static
            self._forwarding = forwarding_of(plan, learned, offered, carrying)
            self._made_of = made_of
            self._order = ("bgp", "static") if static_before.keys() & self._forwarding.bgp.keys() else ("static", "bgp")

    def make(self, origin: OriginName, *, look: bool) -> None:
        """Make the routes of an origin so. Raises EndpointError, OSError.

        Without `look` they are compared with what the kernel had after the last time, if all went well then: reading a
        long table takes longer than changing some of it.
        """
        known = None if look or origin in self._unsure else self._present[origin]
        self._unsure.add(origin)
        wanted = self._forwarding.static if origin == "static" else self._forwarding.bgp
        changes = set_routes(wanted, ORIGINS[origin], known)
        self._present[origin] = changes.present
        if changes.failed:
            listed = ", ".join(f"{prefix} ({why})" for prefix, why in islice(changes.failed.items(), SHOWN_FAILURES))
            raise EndpointError(
                f"{len(changes.failed)} routes not installed: {listed}", mend="see `ip route` on the node"
            )
        self._unsure.discard(origin)

    def installed(self) -> tuple[InstalledRoute, ...]:
        """The kernel's routes, as they were after `make`."""
        return tuple(
            InstalledRoute(prefix, hops, origin)
            for origin in ORIGINS
            for prefix, hops in self._present.get(origin, {}).items()
        )

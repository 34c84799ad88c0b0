"""How many of each resource the cloud gives. Pure. Source: the cloud's table of quotas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` of `things` per `holder`; both are words for messages."""

    things: str
    holder: str
    limit: int

    def beyond(self, items: Sequence[T]) -> Sequence[T]:
        """Those of one holder's things that are too many, in the order in which they came."""
        return items[self.limit :]

    def __str__(self) -> str:
        return f"{self.limit} {self.things} per {self.holder}"


BORDER_GATEWAYS = Quota("border gateways", "region", 5)
VPN_CONNECTIONS = Quota("VPN connections", "border gateway", 10)
VPC_ATTACHMENTS = Quota("VPC attachments", "border gateway", 50)
STATIC_ROUTES = Quota("static routes", "border gateway", 50)
DYNAMIC_ROUTES = Quota("dynamic (BGP) routes", "border gateway", 300)
CUSTOMER_GATEWAYS = Quota("customer gateways", "region", 10)
CUSTOMER_ADDRESSES = Quota("public addresses", "customer gateway", 4)
CLOUD_ADDRESSES = Quota("cloud public addresses", "VPN connection", 2)
TUNNELS_OF_A_PAIR = Quota("tunnels", "pair of public addresses", 1)


def tunnels_quota(customer_addresses: int) -> Quota:
    """The tunnels of a VPN connection: one per pair of a cloud address and a customer address."""
    limit = CLOUD_ADDRESSES.limit * customer_addresses
    return Quota("tunnels", f"VPN connection to {customer_addresses} customer addresses", limit)

"""What there is in the cloud, as far as creation, change and deletion care: resources, and what each stands on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """The kinds of resources, in the order in which they are created: each stands on kinds before it."""

    BORDER_GATEWAY = "border gateway"
    VPC = "VPC"
    VPC_ATTACHMENT = "VPC attachment"
    CUSTOMER_GATEWAY = "customer gateway"
    VPN_CONNECTION = "VPN connection"
    VPN_TUNNEL = "VPN tunnel"


ORDER_OF_CREATION = tuple(Kind)


@dataclass(frozen=True, slots=True)
class Key:
    """Which resource: its kind, and a name that is its own among those of the kind."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource: what it stands on, and its settings in the file's spelling.

    A tunnel's `admin` setting is "up" or "down". Two resources of one key are the same resource at two times.
    """

    key: Key
    stands_on: frozenset[Key] = frozenset()
    settings: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


Resources = Mapping[Key, Resource]


def by_key(resources: Iterable[Resource]) -> Resources:
    """The resources by their keys, in the order given."""
    return {resource.key: resource for resource in resources}


def standing_on(key: Key, resources: Resources) -> tuple[Key, ...]:
    """What stands on a resource directly."""
    return tuple(other.key for other in resources.values() if key in other.stands_on)


def admin_up(tunnel: Resource) -> bool:
    """Whether a tunnel's admin status is UP."""
    return tunnel.settings["admin"] == "up"


def changed_settings(old: Resource, new: Resource) -> tuple[str, ...]:
    """The names of the settings that differ, in the file's order."""
    names = dict.fromkeys((*old.settings, *new.settings))
    return tuple(name for name in names if old.settings.get(name) != new.settings.get(name))

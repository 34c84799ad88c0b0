"""What a node that runs alone is given: a NodePlan, and what a lab process would tell it. Keys travel beside it.

Runs in the guest too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from lab.plan.model import NodePlan

BUNDLE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """One node by itself. `offered` has the router of a VPC: what each border gateway lets it reach."""

    plan: NodePlan
    offered: dict[str, tuple[IPv4Network, ...]] = field(default_factory=dict)
    version: int = BUNDLE_VERSION


def keys_of(node: NodePlan, keys: Mapping[str, str]) -> dict[str, str]:
    """The pre-shared keys of a node's tunnels, out of all that there are."""
    return {tunnel.name: keys[tunnel.name] for tunnel in (node.endpoint.tunnels if node.endpoint else ())}

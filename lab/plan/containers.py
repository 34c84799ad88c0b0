"""What a node is as a container: the same for Docker's API and for files that others carry out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from lab.plan.model import NodePlan

IMAGE = "vpnlab/node"
CAPABILITIES = ("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE")
"""Interfaces, SAs and routes; pings and captures; UDP 500 and TCP 179. Everything else is dropped."""
TMPFS = ("/run", "/tmp")  # noqa: S108 - in the container, whose root is read-only
"""What is written in a container, besides the folder that its agent shares."""
RUN_DIRECTORY = "/run/vpnlab"
AGENT_SOCKET = "agent.sock"
NODE_VARIABLE = "VPNLAB_NODE"

CONDUCTOR = "conductor"
"""The service beside the nodes that Docker Compose makes: the lab process in a container of its own."""
PLAN_VARIABLE = "VPNLAB_PLAN"
"""The lab's plan as JSON, in the environment of the conductor: its root is read-only, and no key is in it."""
LONGEST_VARIABLE = 128 * 1024
"""Bytes of one string in the environment of a program (execve(2), MAX_ARG_STRLEN)."""

SUBNETS = IPv4Network("198.18.0.0/15")
"""Where Docker's networks take their subnets from. Nothing in a lab uses them, but Docker wants each network to have
one; these are for benchmarks (RFC 2544) and so nobody's own."""
SUBNET_PREFIX = 29
"""The smallest that holds Docker's gateway and two ends."""


def node_directory(node: str) -> str:
    """The folder in a node's container that its agent shares with the lab process."""
    return f"{RUN_DIRECTORY}/{node}"


def sysctls_of(node: NodePlan) -> dict[str, str]:
    """A node's kernel parameters as Docker names them; in the container they can be read only."""
    return {name.replace("/", "."): value for name, value in node.sysctls}


def free_subnets(pool: IPv4Network, taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """The subnets of `pool` for links, in order, but for those that overlap one of `taken`."""
    near = [subnet for subnet in taken if subnet.overlaps(pool)]
    if pool.prefixlen > SUBNET_PREFIX:
        return
    for subnet in pool.subnets(new_prefix=SUBNET_PREFIX):
        if not any(subnet.overlaps(other) for other in near):
            yield subnet

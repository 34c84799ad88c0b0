"""A lab as a file for `docker compose up`, without the command `vpnlab`. Pure.

Each node is a service, each link an internal network. One more service, the conductor, has no network: it is the lab
process, gives every agent its plan and the keys, which it makes up, and is healthy as soon as the lab is ready.
"""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import yaml

from lab.errors import UsageError
from lab.plan.codec import to_json
from lab.plan.containers import (
    CAPABILITIES,
    CONDUCTOR,
    IMAGE,
    LONGEST_VARIABLE,
    NODE_VARIABLE,
    PLAN_VARIABLE,
    RUN_DIRECTORY,
    SUBNETS,
    TMPFS,
    free_subnets,
    node_directory,
    sysctls_of,
)
from lab.plan.model import LabPlan, LinkPlan, NodePlan

CONDUCTOR_PROGRAM = ("python3", "-m", "lab.control.conducting")
CONDUCTOR_LOOKS = {
    "interval": "15s", "timeout": "30s", "retries": 2, "start_period": "600s", "start_interval": "5s",
}  # fmt: skip
"""When it is looked whether the lab is ready (chosen: ten minutes to become ready, for a slow host)."""
NODE_LOOKS = {"disable": True}
"""The conductor asks the agents; a look is a process each time, which costs 10 s of a processor that is emulated."""
READY = "ready"
"""The service that starts once the lab is ready, and ends at once: `docker compose up --detach` returns then."""
HEAD = """\
# Lab {name} for Docker Compose 2.24 and Docker 25 or newer: docker compose -f FILE up --detach
# That returns when the lab is ready; the log of the service "conductor" says what is awaited.
# `vpnlab export compose` has written this file.
"""


def render(plan: LabPlan, subnets: IPv4Network = SUBNETS) -> str:
    """The text of the file. Networks take their subnets from `subnets`.

    Raises UsageError when these are too few, and for a plan that is too long.
    """
    return HEAD.format(name=plan.name) + yaml.safe_dump(_file(plan, subnets), sort_keys=False, width=120)


def network_name(link: LinkPlan) -> str:
    """What the network of a link is called in the file."""
    return f"{link.a.node}-{link.a.interface}"


def _file(plan: LabPlan, subnets: IPv4Network) -> dict[str, Any]:
    pairs = zip(plan.links, free_subnets(subnets, ()), strict=False)
    networks = {network_name(link): _network(subnet) for link, subnet in pairs}
    if len(networks) < len(plan.links):
        raise UsageError(
            f"{subnets} holds {len(networks)} subnets for networks; lab {plan.name} has {len(plan.links)} links",
            mend="name a larger range with --subnets, for example 10.90.0.0/16",
        )
    return {
        "name": plan.name,
        "services": {node.name: _node(plan, node) for node in plan.nodes}
        | {CONDUCTOR: _conductor(plan), READY: _ready()},
        "networks": networks,
        "volumes": {_volume(node): _in_memory() for node in plan.nodes},
    }


def _container() -> dict[str, Any]:
    return {
        "image": IMAGE,
        "init": True,
        "read_only": True,
        "tmpfs": list(TMPFS),
        "security_opt": ["no-new-privileges:true"],
        "cap_drop": ["ALL"],
        "restart": "on-failure",
    }


def _node(plan: LabPlan, node: NodePlan) -> dict[str, Any]:
    macs = {
        network_name(link): {"mac_address": end.mac}
        for link in plan.links
        for end in (link.a, link.b)
        if end.node == node.name
    }
    return _container() | {
        "hostname": node.name,
        "environment": {NODE_VARIABLE: node.name},
        "cap_add": list(CAPABILITIES),
        "sysctls": sysctls_of(node),
        "volumes": [f"{_volume(node)}:{node_directory(node.name)}"],
        "networks": macs,
        "healthcheck": NODE_LOOKS,
    }


def _conductor(plan: LabPlan) -> dict[str, Any]:
    """The service that is no node. In its environment a "$" would begin a variable of Compose's."""
    text = json.dumps(to_json(plan), separators=(",", ":"))
    if len(text) >= LONGEST_VARIABLE:
        raise UsageError(
            f"the plan of lab {plan.name} has {len(text)} bytes; a container's variable holds {LONGEST_VARIABLE}",
            mend="divide the lab, or use `vpnlab up --substrate docker`",
        )
    return _container() | {
        "command": list(CONDUCTOR_PROGRAM),
        "environment": {NODE_VARIABLE: CONDUCTOR, "VPNLAB_CONDUCTOR": "1", PLAN_VARIABLE: text.replace("$", "$$")},
        "network_mode": "none",
        "volumes": [f"{_volume(node)}:{RUN_DIRECTORY}/{plan.name}/{node.name}" for node in plan.nodes],
        "healthcheck": CONDUCTOR_LOOKS,
    }


def _ready() -> dict[str, Any]:
    return _container() | {
        "command": ["true"],
        "network_mode": "none",
        "healthcheck": NODE_LOOKS,
        "depends_on": {CONDUCTOR: {"condition": "service_healthy"}},
    }


def _network(subnet: IPv4Network) -> dict[str, Any]:
    """A network that leads nowhere: no bridge of the host's, and none of its packet filters, is in the way."""
    return {"driver": "macvlan", "internal": True, "ipam": {"config": [{"subnet": str(subnet)}]}}


def _volume(node: NodePlan) -> str:
    return f"run-{node.name}"


def _in_memory() -> dict[str, Any]:
    return {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "mode=0700"}}

"""A lab as a containerlab topology: each node a container of kind linux, each link a veth pair. Pure.

Written for containerlab's published schema (https://containerlab.dev). Its management network is left out: the nodes
have the interfaces of the plan and no other, so eth0 is free and nothing leaves the lab.
"""

from __future__ import annotations

from typing import Any

import yaml

from lab.plan.containers import CAPABILITIES, IMAGE, sysctls_of
from lab.plan.model import LabPlan, LinkEnd, NodePlan

PLAN_IN_CONTAINER = "/etc/vpnlab/node.json"
KEYS_IN_CONTAINER = "/etc/vpnlab/keys.json"
HEALTH = {"test": ["CMD", "python3", "-m", "lab.runtime.health"], "interval": 10, "timeout": 15, "retries": 6,
          "start-period": 30}  # fmt: skip
"""Healthy is a node whose tunnels and sessions are up; in seconds (chosen: a node needs some seconds to start)."""


def bundle_file(node: str) -> str:
    """Where a node's bundle lies, beside the topology."""
    return f"nodes/{node}.json"


def keys_file(node: str) -> str:
    """Where a node's keys lie, beside the topology; readable by its owner alone."""
    return f"keys/{node}.json"


def containerlab_topology(plan: LabPlan, image: str = IMAGE) -> str:
    """The topology in YAML; paths in it are relative to its own place."""
    topology = {
        "name": plan.name,
        "topology": {
            "kinds": {"linux": _kind(image)},
            "nodes": {node.name: _node(node) for node in plan.nodes},
            "links": [
                {"type": "veth", "mtu": _mtu(plan, link.a), "endpoints": [_end(link.a), _end(link.b)]}
                for link in plan.links
            ],
        },
    }
    return yaml.safe_dump(topology, sort_keys=False, width=120)


def _kind(image: str) -> dict[str, Any]:
    return {
        "image": image,
        "network-mode": "none",
        "privileged": False,
        "cap-add": list(CAPABILITIES),
        "security-opts": ["no-new-privileges:true"],
        "tmpfs": {"/run": "rw,nosuid,nodev", "/tmp": "rw,nosuid,nodev"},  # noqa: S108 - in the container
        "healthcheck": HEALTH,
    }


def _node(node: NodePlan) -> dict[str, Any]:
    command = ["python3", "-m", "lab.runtime.alone", PLAN_IN_CONTAINER]
    binds = [f"{bundle_file(node.name)}:{PLAN_IN_CONTAINER}:ro"]
    if node.endpoint:
        command += ["--keys", KEYS_IN_CONTAINER]
        binds += [f"{keys_file(node.name)}:{KEYS_IN_CONTAINER}:ro"]
    return {
        "kind": "linux",
        "cmd": " ".join(command),
        "binds": binds,
        "labels": {"vpnlab.role": node.role},
        "sysctls": sysctls_of(node),
    }


def _end(end: LinkEnd) -> dict[str, str]:
    """The agent finds its interfaces by these addresses."""
    return {"node": end.node, "interface": end.interface, "mac": end.mac}


def _mtu(plan: LabPlan, end: LinkEnd) -> int:
    return next(port.mtu for port in plan.node(end.node).interfaces if port.mac == end.mac)

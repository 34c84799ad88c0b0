"""Which address is meant by a node's name. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address

from lab.errors import UsageError
from lab.plan.model import LabPlan


def address_of(plan: LabPlan, target: str) -> IPv4Address:
    """The address that `target` is, or that the node of that name, or called so, answers to. Raises UsageError.

    A host at the end of the lab's own pings has the address that these use; any other node the first of its
    interfaces' addresses.
    """
    try:
        return IPv4Address(target)
    except ValueError:
        pass
    target = plan.node_called(target)
    for ping in plan.pings:
        for node, address in ((ping.source_node, ping.source), (ping.destination_node, ping.destination)):
            if node == target:
                return address
    for found in plan.nodes:
        if found.name == target:
            for interface in found.interfaces:
                for address_with_prefix in interface.addresses:
                    return address_with_prefix.ip
            raise UsageError(f"node {target} has no address of its own", mend="name an address")
    nodes = ", ".join(node.called for node in plan.nodes)
    raise UsageError(f"{target} is neither an address nor a node of lab {plan.name}", mend=f"nodes: {nodes}")

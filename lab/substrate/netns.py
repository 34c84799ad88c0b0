"""Nodes as network namespaces of this kernel, links as veth pairs between them. Needs root.

Everything that belongs to a lab carries its name: namespaces are called `vpnlab.LAB.NODE` (neither name may contain a
dot), and all interfaces live inside them. So what is a lab's is found, and destroyed, without any state file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import groupby

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from lab.errors import HostCannot
from lab.plan.model import LinkPlan, NodePlan
from lab.substrate import namespaces
from lab.substrate.killing import kill_all

PREFIX = "vpnlab."


def namespace_name(lab: str, node: str) -> str:
    """The namespace of a node."""
    return f"{PREFIX}{lab}.{node}"


class Netns:
    """The nodes and links of one lab as namespaces and veth pairs."""

    def __init__(self, lab: str) -> None:
        self._lab = lab

    def make(self, nodes: Iterable[NodePlan], links: Iterable[LinkPlan]) -> None:
        """Make nodes, and links between these or nodes that exist. What sysctls a node has is its agent's to set."""
        for node in nodes:
            self.create_node(node.name)
        for name, from_there in groupby(sorted(links, key=_first_node), key=_first_node):
            self._create_links(name, from_there)

    def create_node(self, node: str) -> None:
        """Make an empty node. HostCannot without the right to."""
        try:
            namespaces.create(namespace_name(self._lab, node))
        except PermissionError as error:
            raise HostCannot(
                f"network namespace for {node}: {error.strerror}", mend="run as root, or use --substrate microvm"
            ) from error

    def create_link(self, link: LinkPlan) -> None:
        """Join two nodes by a veth pair with the planned names and MAC addresses, both ends down."""
        self._create_links(link.a.node, (link,))

    def _create_links(self, node: str, links: Iterable[LinkPlan]) -> None:
        """Make links whose first end is at this node.

        Asked for from within it: a kernel (Linux 6.12) refuses a name that the asker's namespace has.
        """
        with namespaces.visiting(namespace_name(self._lab, node)), IPRoute() as netlink:
            for link in links:
                self._join(netlink, link)

    def _join(self, netlink: IPRoute, link: LinkPlan) -> None:
        there = os.open(namespaces.NETNS_DIRECTORY / namespace_name(self._lab, link.b.node), os.O_RDONLY | os.O_CLOEXEC)
        try:
            netlink.link(
                "add",
                kind="veth",
                ifname=link.a.interface,
                address=link.a.mac,
                peer={"ifname": link.b.interface, "address": link.b.mac, "net_ns_fd": there},
            )
        except NetlinkError as error:
            raise HostCannot(
                f"veth {link.a.node}:{link.a.interface} -- {link.b.node}:{link.b.interface}: {error}",
                mend="see `vpnlab doctor`",
            ) from error
        finally:
            os.close(there)

    def delete_link(self, link: LinkPlan) -> None:
        """Remove a link; one that went with its node is fine."""

        def remove() -> None:
            with IPRoute() as netlink:
                for index in netlink.link_lookup(ifname=link.a.interface):
                    netlink.link("del", index=index)

        self.call(link.a.node, remove)

    def call(self, node: str, function: Callable[[], None]) -> int:
        """Run `function` in a node, in a child process; the child's exit code."""
        return namespaces.call_in(namespaces.NETNS_DIRECTORY / namespace_name(self._lab, node), function)

    def enter(self, node: str) -> None:
        """Move this process into a node for good: for the agent."""
        namespaces.enter(namespace_name(self._lab, node))

    def enter_as_user(self, node: str) -> None:
        """Move this process into a node for good, with the node's /sys and host name: for a user's command."""
        namespaces.enter_fully(namespace_name(self._lab, node), node)

    def condition(self, node: str) -> str | None:
        """A node is only a place: it keeps nobody from answering unless it is gone."""
        return None if node in self.find() else "its namespace is gone"

    def find(self) -> tuple[str, ...]:
        """The nodes of this lab that exist now, whoever made them."""
        prefix = namespace_name(self._lab, "")
        return tuple(name.removeprefix(prefix) for name in namespaces.names(prefix))

    def destroy_node(self, node: str) -> None:
        """Kill what runs in a node and remove it with its interfaces."""
        name = namespace_name(self._lab, node)
        kill_all(lambda: namespaces.processes(name))
        namespaces.delete(name)

    def destroy(self) -> None:
        """Remove everything that is this lab's, and nothing else."""
        for node in self.find():
            self.destroy_node(node)


def _first_node(link: LinkPlan) -> str:
    return link.a.node

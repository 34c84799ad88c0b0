"""Nodes as Docker's containers, links as internal networks of two. Needs root, to enter the containers' namespaces.

Everything that belongs to a lab carries the label `org.vpnlab.lab`, so that it is found, and destroyed, without any
state file. The agent is the container's main process; the lab process reaches it through a socket in a folder that both
see. Networks are of the macvlan driver without a parent: the host has no address in them and its packet filters no say.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool
from pyroute2 import IPRoute

from lab.errors import HostCannot
from lab.plan.containers import (
    CAPABILITIES,
    IMAGE,
    NODE_VARIABLE,
    RUN_DIRECTORY,
    SUBNET_PREFIX,
    SUBNETS,
    TMPFS,
    free_subnets,
    node_directory,
    sysctls_of,
)
from lab.plan.model import LinkEnd, LinkPlan, NodePlan
from lab.substrate import namespaces
from lab.substrate.docker_daemon import in_words, reach
from lab.substrate.entering import go_on_in

LAB_LABEL = "org.vpnlab.lab"
NODE_LABEL = "org.vpnlab.node"
SUBNETS_VARIABLE = "VPNLAB_DOCKER_SUBNETS"
AT_ONCE = 4
"""Containers that are started, or removed, side by side (chosen: more only wait for each other in the daemon)."""


def container_name(lab: str, node: str) -> str:
    """The container of a node; neither name may contain a dot."""
    return f"vpnlab.{lab}.{node}"


def network_name(lab: str, link: LinkPlan) -> str:
    """The network of a link, called by its first end."""
    return f"vpnlab.{lab}.{link.a.node}.{link.a.interface}"


class Docker:
    """The nodes and links of one lab as containers and networks."""

    def __init__(self, lab: str, run_directory: Path = Path(RUN_DIRECTORY)) -> None:
        self._lab = lab
        self._run_directory = run_directory
        self._filters = {"label": f"{LAB_LABEL}={lab}"}

    @cached_property
    def _client(self) -> docker.DockerClient:
        return reach()

    def make(self, nodes: Iterable[NodePlan], links: Iterable[LinkPlan]) -> None:
        """Make containers with an interface for each link of theirs, and start them."""
        nodes, links = tuple(nodes), tuple(links)
        with in_words(f"lab {self._lab}"):
            with self._choosing_subnets():
                for link, subnet in zip(links, self._subnets(len(links)), strict=True):
                    self._create_network(link, subnet)
            created = [self._create(node, links) for node in nodes]
            _side_by_side(lambda container: container.start(), created)
            new = {node.name for node in nodes}
            for link in links:
                for end in (link.a, link.b):
                    if end.node not in new:
                        self._connect(link, end)

    def delete_link(self, link: LinkPlan) -> None:
        """Take both ends off the link's network, and remove it."""
        with in_words(f"network {network_name(self._lab, link)}"):
            try:
                network = self._client.networks.get(network_name(self._lab, link))
            except NotFound:
                return
            self._remove_network(network)

    def enter(self, node: str) -> None:
        """Move this process into a container's network namespace for good."""
        namespaces.enter_file(_network_of(self._pid(node)))

    def enter_as_user(self, node: str) -> None:
        """Go on as a child inside all namespaces of a container, while this process waits and ends like it."""
        go_on_in(self._pid(node))

    def condition(self, node: str) -> str | None:
        """Whether the container is paused, has ended or is gone."""
        with in_words(f"container {container_name(self._lab, node)}"):
            try:
                state = self._client.api.inspect_container(container_name(self._lab, node))["State"]
            except NotFound:
                return "its container is gone"
        if state["Status"] == "running":
            return None
        ended = f" with exit code {state['ExitCode']}" if state["Status"] == "exited" else ""
        return f"its container is {state['Status']}{ended}"

    def find(self) -> tuple[str, ...]:
        """The nodes of this lab whose containers exist now."""
        with in_words(f"containers of lab {self._lab}"):
            found = self._client.api.containers(all=True, filters=self._filters)
        return tuple(sorted(container["Labels"][NODE_LABEL] for container in found))

    def destroy_node(self, node: str) -> None:
        """Kill and remove a container; its networks stay until their links are deleted."""
        with in_words(f"container {container_name(self._lab, node)}"):
            self._remove(container_name(self._lab, node))

    def destroy(self) -> None:
        """Remove everything that carries this lab's label, and nothing else."""
        with in_words(f"lab {self._lab}"):
            found = self._client.api.containers(all=True, filters=self._filters)
            _side_by_side(self._remove, [container["Id"] for container in found])
            for network in self._client.networks.list(filters=self._filters):
                self._remove_network(network)

    @contextmanager
    def _choosing_subnets(self) -> Iterator[None]:
        """Let no other lab of this host choose between the look at what is free and the last network's creation.

        The lock is on the folder above that of all labs, which goes with the last of them.
        """
        folder = os.open(self._run_directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _subnets(self, count: int) -> tuple[IPv4Network, ...]:
        """Free subnets for `count` networks. Raises HostCannot that names who has the others."""
        pool = IPv4Network(os.environ.get(SUBNETS_VARIABLE) or SUBNETS)
        owners = {
            IPv4Network(entry["Subnet"]): network["Name"]
            for network in self._client.api.networks()
            for entry in network["IPAM"]["Config"] or ()
            if "." in entry.get("Subnet", "")
        }
        found = tuple(subnet for subnet, _ in zip(free_subnets(pool, owners), range(count), strict=False))
        if len(found) < count:
            there = ", ".join(f"{name} ({subnet})" for subnet, name in owners.items() if subnet.overlaps(pool))
            raise HostCannot(
                f"lab {self._lab}: {count} networks need a /{SUBNET_PREFIX} each and {pool} has {len(found)} left; "
                f"taken by: {there or 'nobody, it is too small'}",
                mend=f"name another range in {SUBNETS_VARIABLE}, or remove what is not needed (docker network rm NAME)",
            )
        return found

    def _create_network(self, link: LinkPlan, subnet: IPv4Network) -> None:
        self._client.networks.create(
            network_name(self._lab, link),
            driver="macvlan",
            internal=True,
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=str(subnet))]),
            labels={LAB_LABEL: self._lab},
        )

    def _create(self, node: NodePlan, links: Iterable[LinkPlan]) -> Any:  # noqa: ANN401 - the SDK's container
        directory = self._run_directory / self._lab / node.name
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        endpoints = {
            network_name(self._lab, link): self._client.api.create_endpoint_config(mac_address=end.mac)
            for link in links
            for end in (link.a, link.b)
            if end.node == node.name
        }
        return self._client.containers.create(
            IMAGE,
            name=container_name(self._lab, node.name),
            hostname=node.name,
            labels={LAB_LABEL: self._lab, NODE_LABEL: node.name},
            environment={NODE_VARIABLE: node.name},
            cap_drop=["ALL"],
            cap_add=list(CAPABILITIES),
            security_opt=["no-new-privileges"],
            read_only=True,
            tmpfs=dict.fromkeys(TMPFS, ""),
            sysctls=sysctls_of(node),
            volumes=[f"{directory}:{node_directory(node.name)}"],
            init=True,
            restart_policy={"Name": "on-failure"},
            healthcheck={"test": ["NONE"]},  # the lab process asks the agents, at less cost than a process each time
            network=next(iter(endpoints), None),
            networking_config=endpoints or None,
            network_mode=None if endpoints else "none",
        )

    def _connect(self, link: LinkPlan, end: LinkEnd) -> None:
        """Put a running container on a link. Docker gives the interface a MAC of its own, which is replaced here."""
        name = container_name(self._lab, end.node)
        self._client.networks.get(network_name(self._lab, link)).connect(name)
        known = self._client.api.inspect_container(name)["NetworkSettings"]["Networks"]
        given = known[network_name(self._lab, link)]["MacAddress"]

        def rename() -> None:
            with IPRoute() as netlink:
                for index in netlink.link_lookup(address=given):
                    netlink.link("set", index=index, state="down")
                    netlink.link("set", index=index, address=end.mac)

        namespaces.call_in(_network_of(self._pid(end.node)), rename)

    def _remove(self, container: str) -> None:
        try:
            self._client.api.remove_container(container, force=True, v=True)
        except NotFound:
            return

    def _remove_network(self, network: Any) -> None:  # noqa: ANN401 - the SDK's network
        network.reload()
        for container in network.attrs["Containers"]:
            network.disconnect(container, force=True)
        network.remove()

    def _pid(self, node: str) -> int:
        """The container's first process. Raises HostCannot for one that does not run."""
        name = container_name(self._lab, node)
        with in_words(f"container {name}"):
            pid = int(self._client.api.inspect_container(name)["State"]["Pid"])
        if pid == 0:
            raise HostCannot(f"container {name} does not run", mend=f"docker start {name}, or `vpnlab up`")
        return pid


def _network_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/net")


def _side_by_side(function: Callable[[Any], object], values: Iterable[Any]) -> None:
    """Call `function` with each value, some at once; the first error is raised when all have ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for result in [pool.submit(function, value) for value in values]:
            result.result()

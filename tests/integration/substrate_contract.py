"""What every substrate promises, tried on a real one: python3 substrate_contract.py netns|docker

Needs no pytest, so that it runs where nodes can be made, which may be a guest. One line of JSON for each promise.
The promises share their nodes, for a container takes seconds to start: they are kept in this order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from lab.errors import LabError
from lab.plan.model import LinkEnd, LinkPlan, NodePlan
from lab.substrate.contract import Substrate
from lab.substrate.docker import Docker
from lab.substrate.netns import Netns

KINDS: dict[str, Callable[[str], Substrate]] = {"netns": Netns, "docker": Docker}
LAB = "contract"
FIRST = LinkPlan(LinkEnd("a", "eth0", "02:76:00:00:00:01"), LinkEnd("b", "wan1", "02:76:00:00:00:02"))
SECOND = LinkPlan(LinkEnd("a", "lan1", "02:76:00:00:00:03"), LinkEnd("b", "wan2", "02:76:00:00:00:04"))
ADDRESSES = {"a": "192.0.2.1", "b": "192.0.2.2"}


class Tried:
    """A lab of two nodes, and one by a name that begins with its name."""

    def __init__(self, substrate_of: Callable[[str], Substrate]) -> None:
        self.lab, self.namesake = substrate_of(LAB), substrate_of(f"{LAB}2")
        self.sleeper: subprocess.Popen[bytes] | None = None

    def run(self, node: str, *argv: str) -> str:
        """The output of a command in a node, as a user would run it."""
        done = subprocess.run(
            argv, preexec_fn=lambda: self.lab.enter_as_user(node), capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def macs(self, node: str) -> set[str]:
        return {word for word in self.run(node, "ip", "-o", "link").split() if word.startswith("02:76:")}


def nodes_are_made_and_found(tried: Tried) -> None:
    assert tried.lab.find() == ()
    tried.lab.make([NodePlan("b", "host", ()), NodePlan("a", "host", ())], [FIRST])
    assert tried.lab.find() == ("a", "b")
    assert tried.lab.condition("a") is None


def both_ends_of_a_link_have_the_planned_addresses(tried: Tried) -> None:
    assert tried.macs("a") == {FIRST.a.mac}
    assert tried.macs("b") == {FIRST.b.mac}


def a_link_carries_frames(tried: Tried) -> None:
    for end in (FIRST.a, FIRST.b):
        in_child(tried.lab, end.node, lambda end=end: take_address(end.mac, ADDRESSES[end.node]))
    tried.run("a", "ping", "-c", "1", "-w", "20", ADDRESSES["b"])


def nodes_that_exist_are_linked_by_names_that_are_taken_outside(tried: Tried) -> None:
    with IPRoute() as netlink:
        netlink.link("add", kind="dummy", ifname=SECOND.a.interface)
        try:
            tried.lab.make([], [SECOND])
        finally:
            netlink.link("del", ifname=SECOND.a.interface)
    assert tried.macs("a") == {FIRST.a.mac, SECOND.a.mac}
    assert tried.macs("b") == {FIRST.b.mac, SECOND.b.mac}


def a_link_is_removed_from_both_nodes(tried: Tried) -> None:
    tried.lab.delete_link(SECOND)
    tried.lab.delete_link(SECOND)
    assert tried.macs("a") == {FIRST.a.mac}
    assert tried.macs("b") == {FIRST.b.mac}


def a_command_in_a_node_has_its_host_name_and_no_other_nodes_interfaces(tried: Tried) -> None:
    assert tried.run("a", "hostname").strip() == "a"
    assert len(os.listdir("/sys/class/net")) > 0
    assert "wan1" not in tried.run("a", "ls", "/sys/class/net").split()
    assert tried.run("a", "readlink", "/proc/self").strip().isdecimal()


def a_command_that_is_killed_says_by_what(tried: Tried) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", "kill -TERM $$"], preexec_fn=lambda: tried.lab.enter_as_user("a"), check=False
    )
    assert done.returncode == -15


def what_runs_in_a_node_ends_with_it(tried: Tried) -> None:
    sleeper = subprocess.Popen(["/bin/sleep", "1000"], preexec_fn=lambda: tried.lab.enter_as_user("b"))  # noqa: PLW1509 - one thread
    tried.lab.destroy_node("b")
    assert sleeper.wait(60) == -9
    assert tried.lab.find() == ("a",)
    assert tried.lab.condition("b") is not None


def a_lab_whose_name_begins_alike_is_left_alone(tried: Tried) -> None:
    tried.namesake.make([NodePlan("a", "host", ())], [])
    tried.lab.destroy()
    tried.lab.destroy()
    assert tried.lab.find() == ()
    assert tried.namesake.find() == ("a",)


PROMISES = (
    nodes_are_made_and_found,
    both_ends_of_a_link_have_the_planned_addresses,
    a_link_carries_frames,
    nodes_that_exist_are_linked_by_names_that_are_taken_outside,
    a_link_is_removed_from_both_nodes,
    a_command_in_a_node_has_its_host_name_and_no_other_nodes_interfaces,
    a_command_that_is_killed_says_by_what,
    what_runs_in_a_node_ends_with_it,
    a_lab_whose_name_begins_alike_is_left_alone,
)


def in_child(substrate: Substrate, node: str, function: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            substrate.enter(node)
            function()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def take_address(mac: str, address: str) -> None:
    with IPRoute() as netlink:
        (index,) = netlink.link_lookup(address=mac)
        netlink.flush_addr(index=index)
        netlink.addr("add", index=index, address=address, prefixlen=30)
        netlink.link("set", index=index, state="up")


def main(kind: str) -> None:
    tried = Tried(KINDS[kind])
    try:
        for promise in PROMISES:
            said = ""
            try:
                promise(tried)
            except (AssertionError, LabError, OSError, subprocess.SubprocessError, NetlinkError):
                said = traceback.format_exc()
            sys.stdout.write(json.dumps({"promise": promise.__name__, "kept": not said, "said": said}) + "\n")
            sys.stdout.flush()
    finally:
        tried.lab.destroy()
        tried.namesake.destroy()


if __name__ == "__main__":
    main(sys.argv[1])

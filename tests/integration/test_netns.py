"""The substrate of namespaces, on real namespaces of this host: what it makes, and what it destroys."""

from __future__ import annotations

import os
import secrets
import select
import signal
import subprocess
from pathlib import Path

import pytest
from pyroute2 import NetNS

from lab.errors import HostCannot, LabError
from lab.plan.model import LinkEnd, LinkPlan
from lab.substrate import namespaces
from lab.substrate.netns import Netns, namespace_name

pytestmark = pytest.mark.lab

LINK = LinkPlan(LinkEnd("a", "eth0", "02:76:00:00:00:01"), LinkEnd("b", "wan1", "02:76:00:00:00:02"))


@pytest.fixture(scope="module", autouse=True)
def can_make_namespaces():
    name = f"probe{secrets.token_hex(4)}"
    try:
        Netns(name).create_node("a")
    except (LabError, OSError) as error:
        pytest.skip(f"a network namespace cannot be made: {error}")
    Netns(name).destroy()


@pytest.fixture
def name():
    """A lab's name that nobody else uses; what is left of it and of its namesakes goes at the end."""
    name = f"t{secrets.token_hex(4)}"
    yield name
    for found in namespaces.names(f"vpnlab.{name}"):
        namespaces.delete(found)


@pytest.fixture
def substrate(name):
    return Netns(name)


def interfaces(lab, node):
    with NetNS(namespace_name(lab, node)) as netlink:
        return {link.get("ifname"): link.get("address") for link in netlink.get_links()}


def sleeper(lab, node, *, stubborn=False):
    """A process in a node, which ignores SIGTERM on demand."""

    def enter():
        if stubborn:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        namespaces.enter(namespace_name(lab, node))

    return subprocess.Popen(["/bin/sleep", "1000"], preexec_fn=enter, start_new_session=True)  # noqa: PLW1509 - one thread


def test_nodes_are_made_found_and_destroyed(substrate):
    home = Path("/proc/self/ns/net").readlink()
    assert substrate.find() == ()
    substrate.create_node("b")
    substrate.create_node("a")
    assert substrate.find() == ("a", "b")
    assert Path("/proc/self/ns/net").readlink() == home
    substrate.destroy_node("a")
    assert substrate.find() == ("b",)
    substrate.destroy()
    substrate.destroy()
    assert substrate.find() == ()


def test_a_link_has_the_planned_names_and_addresses_and_starts_down(name, substrate):
    substrate.create_node("a")
    substrate.create_node("b")
    substrate.create_link(LINK)
    assert interfaces(name, "a")["eth0"] == "02:76:00:00:00:01"
    assert interfaces(name, "b")["wan1"] == "02:76:00:00:00:02"
    with NetNS(namespace_name(name, "a")) as netlink:
        assert netlink.get_links(ifname="eth0")[0].get("state") == "down"
    with pytest.raises(HostCannot, match="eth0"):
        substrate.create_link(LINK)
    substrate.delete_link(LINK)
    assert "eth0" not in interfaces(name, "a")
    assert "wan1" not in interfaces(name, "b")
    substrate.delete_link(LINK)


def test_a_lab_whose_name_begins_with_anothers_is_left_alone(name, substrate):
    others = [Netns(f"{name}2"), Netns(f"{name}-x")]
    for other in (substrate, *others):
        other.create_node("a")
    substrate.destroy()
    assert [other.find() for other in others] == [("a",), ("a",)]


def test_what_runs_in_a_node_ends_with_it_and_nothing_else(name, substrate):
    substrate.create_node("a")
    substrate.create_node("b")
    inside = [sleeper(name, "a"), sleeper(name, "a", stubborn=True)]
    elsewhere = sleeper(name, "b")
    try:
        substrate.destroy_node("a")
        assert [process.wait(10) for process in inside] == [-signal.SIGKILL] * 2
        assert elsewhere.poll() is None
    finally:
        for process in (*inside, elsewhere):
            process.kill()
            process.wait()


def test_processes_that_multiply_do_not_escape(name, substrate):
    substrate.create_node("a")
    script = "while :; do sh -c 'sleep 5' & sleep 0.01; done"
    process = subprocess.Popen(
        ["/bin/sh", "-c", script],
        preexec_fn=lambda: namespaces.enter(namespace_name(name, "a")),  # noqa: PLW1509 - one thread
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        deadline = select.select([process.stdout], [], [], 0.3)
        assert deadline == ([], [], [])
        substrate.destroy()
        # every copy holds the pipe open; its end is the end of the last one
        assert select.select([process.stdout], [], [], 10)[0], "a process lives on"
        assert process.stdout.read() == b""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_half_of_an_interrupted_creation_is_found_and_removed(name, substrate):
    namespaces.NETNS_DIRECTORY.mkdir(exist_ok=True)
    (namespaces.NETNS_DIRECTORY / namespace_name(name, "a")).touch()
    assert substrate.find() == ("a",)
    substrate.destroy()
    assert substrate.find() == ()
    substrate.create_node("a")


def test_a_command_in_a_node_has_its_host_name_and_sees_its_interfaces(substrate):
    substrate.create_node("a")
    substrate.create_node("b")
    substrate.create_link(LINK)
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", "hostname; ls /sys/class/net"],
            preexec_fn=lambda: substrate.enter_as_user("a"),
            capture_output=True,
            text=True,
            check=True,
        )
    except subprocess.SubprocessError as error:
        pytest.skip(f"a mount namespace with a /sys of its own cannot be made: {error}")
    assert done.stdout.split() == ["a", "eth0", "lo"]
    assert os.uname().nodename != "a"


def test_a_node_cannot_be_made_twice(substrate):
    substrate.create_node("a")
    with pytest.raises(FileExistsError):
        substrate.create_node("a")
    assert substrate.find() == ("a",)

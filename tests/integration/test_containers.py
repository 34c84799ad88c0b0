"""Nodes as containers, on a real Docker: this host's where it can, else one in a guest. A stage of its own in CI."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from substrate_contract import PROMISES

from lab.errors import HostCannot
from lab.plan.codec import from_json
from lab.substrate import pace
from lab.trial.model import FailoverReport

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "ha.vpnlab.yaml"
PYTHON = ["env", "PYTHONPATH=/usr/lib/vpnlab", "python3"]
COMPOSE = ["docker-compose", "--file", "/tmp/compose.yaml"]  # noqa: S108 - beside the nodes


@pytest.fixture(scope="module")
def lab(lab_of_module, substrate_of_containers):
    """The reference lab as containers, ready. Each test leaves it ready."""
    argv = ("up", "-t", str(EXAMPLE), "--substrate", substrate_of_containers)
    done = lab_of_module.vpnlab(*argv, within_s=900)  # the image may have to be built first
    if done.returncode == HostCannot.exit_code:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    print(f"\n{done.stderr}")  # noqa: T201 - a measurement
    return lab_of_module


def docker(lab, *argv, within_s=120):
    """A command of Docker's beside the nodes, to its end; what it says."""
    done = lab.exec(None, ["docker", *argv], within_s=within_s)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def container(lab, node):
    return f"vpnlab.{lab.name}.{node}"


def wait_until_ready(lab, *, within_s=60):
    deadline = time.monotonic() + within_s * pace.slowness()
    while lacking := lab.status().lacking:  # each asks all agents anew
        assert time.monotonic() < deadline, lacking


def test_the_reference_lab_is_ready_and_pings_pass_through_both_tunnels(lab):
    assert lab.status().lacking == ()
    done = lab.vpnlab("ping")
    assert done.returncode == 0, done.stderr
    names = docker(lab, "ps", "--format", "{{.Names}}").split()
    assert sorted(names) == sorted(container(lab, node.name) for node in lab.plan.nodes)


def test_a_container_has_no_right_that_its_agent_does_not_need(lab):
    (found,) = json.loads(docker(lab, "inspect", container(lab, "bgw1")))
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    added = {name.removeprefix("CAP_") for name in found["HostConfig"]["CapAdd"]}
    assert added == {"NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW"}
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert not found["HostConfig"]["Privileged"]
    written = lab.exec("bgw1", ["touch", "/usr/x"])
    assert b"Read-only file system" in written.stderr
    mounted = lab.exec("bgw1", ["mount", "-t", "tmpfs", "none", "/tmp"])  # noqa: S108 - in the container
    assert mounted.returncode != 0


@pytest.mark.parametrize(
    ("blow", "remedy", "reported"),
    [("pause", "unpause", "paused"), ("kill", "start", "exited with exit code 137")],
)
def test_a_container_that_is_beaten_is_reported_and_ready_again_when_it_returns(lab, blow, remedy, reported):
    since = lab.last_event()
    docker(lab, blow, container(lab, "hq-gw"))
    status = lab.status()
    node = status.report.node("hq-gw")
    assert node.stale
    assert reported in node.agent_last_exit
    assert any("hq-gw" in str(lack) for lack in status.lacking)
    assert any(event.node == "hq-gw" and reported in event.text for event in lab.events(since))
    docker(lab, remedy, container(lab, "hq-gw"))
    wait_until_ready(lab)


@pytest.mark.parametrize("fault", ["bgp-session", "route", "port"])
def test_traffic_moves_to_the_other_tunnel_and_back_whatever_of_the_procedure_breaks(lab, fault):
    done = lab.vpnlab(
        "failover", "--fault", fault, "--tunnel", "hq-1", "--rate", "200", "--flows", "8", "-f", "json", within_s=400
    )  # fmt: skip
    assert done.stdout, done.stderr
    (trial,) = from_json(FailoverReport, json.loads(done.stdout)["report"]).trials
    assert trial.tunnel == "hq-1"
    # What it costs is not this test's question: "unmeasured" is said of a prober that a busy host kept waiting.
    assert trial.outcome in {"passed", "unmeasured"}, trial.why_not
    wait_until_ready(lab)


def test_a_missing_image_is_named_with_the_way_out(lab):
    said = tried(lab, "from lab.substrate import docker_probe as d; d.IMAGE = 'vpnlab/none'; d.try_docker()")
    assert "HostCannot: a container for a trial: the image is missing: " in said
    assert "mend: `make container-image` builds it" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [(("ip", "link", "add", "x0", "type", "nosuch"), "a container cannot make an XFRM interface: "),
     (("nosuchprogram",), "a container for a trial: Docker says: ")],
)  # fmt: skip
def test_a_trial_that_fails_says_why_and_leaves_no_container(lab, words, said):
    before = docker(lab, "ps", "--all", "--quiet")
    told = tried(lab, f"from lab.substrate import docker_probe as d; d.MAKE_XFRM_INTERFACE = {words}; d.try_docker()")
    assert f"HostCannot: {said}" in told
    assert docker(lab, "ps", "--all", "--quiet") == before


def test_subnets_that_others_have_taken_are_named_with_their_owner(lab):
    docker(lab, "network", "create", "--driver", "macvlan", "--internal", "--subnet", "198.51.100.0/29", "somebody")
    try:
        said = tried(
            lab,
            "import os; os.environ['VPNLAB_DOCKER_SUBNETS'] = '198.51.100.0/29'\n"
            "from lab.substrate.docker import Docker; from lab.plan.model import *\n"
            "Docker('other').make([], [LinkPlan(LinkEnd('a', 'eth0', ''), LinkEnd('b', 'eth0', ''))])",
        )
    finally:
        docker(lab, "network", "rm", "somebody")
    assert "HostCannot: lab other: 1 networks need a /29 each and 198.51.100.0/29 has 0 left" in said
    assert "taken by: somebody (198.51.100.0/29)" in said
    assert "mend: name another range in VPNLAB_DOCKER_SUBNETS, or remove" in said


@pytest.fixture(scope="module")
def promises(lab):
    """What became of each promise, by substrate."""
    source = Path(__file__).with_name("substrate_contract.py").read_text()
    kept = {}
    for kind in ("netns", "docker"):
        done = lab.exec(None, [*PYTHON, "-c", source, kind], within_s=300)
        lines = map(json.loads, done.stdout.decode().splitlines())
        kept[kind] = {line["promise"]: line["said"] for line in lines}
        assert kept[kind], done.stderr.decode()
    return kept


@pytest.mark.parametrize("promise", [promise.__name__ for promise in PROMISES])
@pytest.mark.parametrize("kind", ["netns", "docker"])
def test_every_substrate_keeps_its_promises(promises, kind, promise):
    assert promises[kind][promise] == ""


def test_what_is_destroyed_leaves_no_container_network_volume_or_interface(lab):
    end = f"from lab.substrate.docker import Docker; Docker({lab.name!r}).destroy()"
    done = lab.exec(None, [*PYTHON, "-c", end], within_s=120)
    assert done.returncode == 0, done.stderr.decode()
    assert_nothing_is_left(lab)


def test_compose_brings_the_rendered_file_up_without_vpnlab(lab):
    """The lab's own containers are gone by now: both have the same addresses, and a guest has little memory."""
    rendered = (ROOT / "compose" / "compose.yaml").read_bytes()
    assert lab.exec(None, ["sh", "-c", f"cat >{COMPOSE[-1]}"], stdin=rendered).returncode == 0
    began = time.monotonic()
    try:
        up = lab.exec(None, [*COMPOSE, "up", "--detach"], within_s=400)
        said = lab.exec(None, [*COMPOSE, "logs", "conductor"], within_s=60).stdout.decode()
        assert up.returncode == 0, up.stderr.decode() + said
        print(f"\ndocker compose up: ready after {time.monotonic() - began:.0f} s")  # noqa: T201 - a measurement
        assert "lab ha is ready" in said
    finally:
        down = lab.exec(None, [*COMPOSE, "down", "--volumes", "--timeout", "5"], within_s=120)
    assert down.returncode == 0, down.stderr.decode()
    assert_nothing_is_left(lab)


ALONE = (
    "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cap-add", "NET_BIND_SERVICE",
    "--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp",  # noqa: S108
    "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "net.ipv4.fib_multipath_hash_policy=1",
    "--sysctl", "net.ipv4.conf.all.rp_filter=0", "--sysctl", "net.ipv4.conf.default.rp_filter=0",
)  # fmt: skip
"""The rights and kernel parameters of docs/endpoint.md."""
ENDPOINT = """
vpnlab_endpoint: 1
name: {side}
side: {side}
timers: fast
cloud_asn: 65000
customer_asn: 65010
announce: [{announced}]
tunnels:
  - {{cloud_address: 198.51.100.2, customer_address: 198.51.100.3, inner: 169.254.10.0/30, psk_file: key}}
"""
SIDES = {"cloud": ("198.51.100.2", "10.0.1.0/24"), "idc": ("198.51.100.3", "172.16.1.0/24")}


def test_two_endpoints_each_of_one_small_file_and_one_docker_run_negotiate_and_exchange_routes(lab):
    """The lab's containers are gone by now. Neither end knows of the other but by its file."""
    folder = "/tmp/office"  # noqa: S108 - beside the nodes
    script = [f"mkdir -m 700 {folder}", f"umask 077; echo key-of-the-tunnel >{folder}/key"]
    for side, (_, announced) in SIDES.items():
        script.append(f"cat >{folder}/{side}.yaml <<'END'{ENDPOINT.format(side=side, announced=announced)}END")
    assert lab.exec(None, ["sh", "-ec", "\n".join(script)]).returncode == 0
    docker(lab, "network", "create", "--driver", "macvlan", "--internal", "--subnet", "198.51.100.0/24", "office")
    try:
        for side, (address, _) in SIDES.items():
            docker(lab, "run", "--detach", "--name", side, "--network", "office", "--ip", address, *ALONE,
                   "--volume", f"{folder}:/office:ro", "vpnlab/node",
                   "vpnlab", "endpoint", "run", f"/office/{side}.yaml")  # fmt: skip
        for side, route in (("cloud", "172.16.1.0/24"), ("idc", "10.0.1.0/24")):
            wanted = (" ready: 1 tunnels up, 1 BGP", f" route {route} (bgp) over xfrm1")
            until_said(lab, side, wanted)
            docker(lab, "exec", side, "vpnlab", "endpoint", "healthy")
        for side in SIDES:
            docker(lab, "stop", "--time", "20", side)
            assert docker(lab, "inspect", "--format", "{{.State.ExitCode}}", side) == "0\n"
    finally:
        lab.exec(None, ["docker", "rm", "--force", *SIDES])
        lab.exec(None, ["docker", "network", "rm", "office"])
    assert_nothing_is_left(lab)


def until_said(lab, name, wanted, *, within_s=60):
    """What a container has said, once all that is wanted is in it."""
    deadline = time.monotonic() + within_s * pace.slowness()
    while True:
        done = lab.exec(None, ["docker", "logs", name])
        said = (done.stdout + done.stderr).decode()
        if all(text in said for text in wanted):
            return said
        assert time.monotonic() < deadline, said


def assert_nothing_is_left(lab):
    assert docker(lab, "ps", "--all", "--quiet") == ""
    assert sorted(docker(lab, "network", "ls", "--format", "{{.Name}}").split()) == ["host", "none"]
    assert docker(lab, "volume", "ls", "--quiet") == ""
    links = lab.exec(None, ["ip", "-o", "link"]).stdout.decode()
    assert not [line for line in links.splitlines() if ": dm-" in line or "macvlan" in line]


def tried(lab, code):
    """The error with which Python code ends beside the nodes."""
    done = lab.exec(None, [*PYTHON, "-c", code], within_s=60)
    assert done.returncode != 0
    return done.stderr.decode()

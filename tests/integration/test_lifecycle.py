"""Up and down: as often as one likes, interrupted anywhere, several at once, and nothing left behind."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from lab.control.paths import lab_directory, labs_directory
from lab.runtime import daemon
from lab.substrate import namespaces, pace
from lab.substrate.microvm import machine
from lab.wire.client import LabGone

pytestmark = pytest.mark.lab

TOPOLOGY = str(Path(__file__).parents[2] / "examples" / "ha.vpnlab.yaml")
KILLS = 10


def identity(lab):
    """What a second `up` must not change: SPIs of all SAs, the sessions' ages, the processes."""
    return [
        (
            node.name,
            node.agent_pid,
            node.report.endpoint and [(t.ike.spi_initiator, t.child.spi_in) for t in node.report.endpoint.tunnels],
            node.report.speaker and [(s.name, s.since) for s in node.report.speaker.sessions],
        )
        for node in lab.status().report.nodes
    ]


def traces(name):
    """What there is of a lab on this host: processes that name its machine, namespaces, files."""
    found = machine.find(lab_directory(name))
    files = [str(path) for folder in (labs_directory(), daemon.RUN_DIRECTORY) for path in folder.glob(f"{name}*")]
    return [*([f"qemu {found.pid}"] if found else []), *namespaces.names(f"vpnlab.{name}."), *files]


def start_up(lab):
    return subprocess.Popen(
        lab.argv("up", "-t", TOPOLOGY), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def test_a_second_up_changes_nothing(ready_lab):
    before = identity(ready_lab)
    ready_lab.up()
    assert identity(ready_lab) == before


def test_up_of_another_topology_under_a_running_name_is_refused(ready_lab, tmp_path):
    other = tmp_path / "other.vpnlab.yaml"
    other.write_text(Path(TOPOLOGY).read_text().replace("172.16.1.", "172.16.2."))
    done = ready_lab.vpnlab("up", "-t", str(other))
    assert done.returncode == 2
    assert "another plan" in done.stderr
    assert "vpnlab down" in done.stderr


def test_two_ups_of_one_lab_at_once_both_succeed(lab_of_module):
    lab = lab_of_module
    lab.down()
    first, second = start_up(lab), start_up(lab)
    for command in (first, second):
        _, said = command.communicate()
        assert command.returncode == 0, said
    assert not lab.status().lacking


def test_two_labs_live_side_by_side_and_one_going_leaves_the_other(running_lab, ready_lab):
    assert running_lab.name != ready_lab.name
    assert not ready_lab.status().lacking
    before = identity(running_lab)
    ready_lab.down()
    assert not running_lab.status().lacking
    assert identity(running_lab) == before


def test_up_can_be_interrupted_again_and_again_and_continued(lab_of_module):
    lab = lab_of_module
    lab.down()
    for number in (signal.SIGINT, signal.SIGTERM):
        command = start_up(lab)
        assert command.stderr is not None
        for line in command.stderr:
            if "making nodes" in line:
                break
        os.kill(command.pid, number)
        _, said = command.communicate()
        assert command.returncode in {130, 143, -number}, said
        assert "Traceback" not in said
    lab.up()
    assert not lab.status().lacking


def test_a_killed_machine_is_noticed_and_up_brings_the_lab_back(ready_lab):
    found = machine.find(ready_lab.directory)
    if found is None:
        pytest.skip(f"this lab runs on {ready_lab.substrate}: there is no machine to kill")
    os.kill(found.pid, signal.SIGKILL)
    status = ready_lab.vpnlab("status")
    assert status.returncode == 1
    assert "machine is gone" in status.stderr
    assert "vpnlab up" in status.stderr
    ready_lab.up()
    assert not ready_lab.status().lacking


def test_a_lab_process_that_dies_takes_the_machine_with_it(ready_lab):
    if ready_lab.substrate != "microvm":
        pytest.skip(f"this lab runs on {ready_lab.substrate}: its lab process is a daemon of this host")
    (agent, *_) = (node.agent_pid for node in ready_lab.status().report.nodes)
    qemu = os.pidfd_open(machine.find(ready_lab.directory).pid)
    with ready_lab.session() as client:
        with suppress(LabGone):
            ready_lab.start_exec(client, None, ["sh", "-c", f"kill -9 $(ps -o ppid= -p {agent})"])
        assert select.select([qemu], [], [], 30 * pace.slowness())[0], "the machine runs on"
    os.close(qemu)
    assert ready_lab.vpnlab("status").returncode == 1
    ready_lab.up()


def test_down_leaves_nothing_and_can_be_repeated_without_a_file(ready_lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert traces(ready_lab.name)
    assert ready_lab.vpnlab("down").returncode == 0
    assert traces(ready_lab.name) == []
    again = ready_lab.vpnlab("down")
    assert (again.returncode, "nothing to do" in again.stderr) == (0, True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_up_killed_at_ten_random_moments_comes_up_the_next_time(lab_of_module):
    lab = lab_of_module
    began = lab.up()
    whole_s = max(phase for phase in _phases(began).values())
    lab.down()
    seed = random.SystemRandom().randrange(1 << 32)
    moments = random.Random(seed)  # noqa: S311 - moments, no secrets
    for number in range(KILLS):
        moment = moments.uniform(0.02, 1.0) * whole_s
        command = start_up(lab)
        try:
            command.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            command.kill()
            command.communicate()
        lab.up()
        status = lab.status()
        assert not status.lacking, f"kill {number} at {moment:.2f} s of {whole_s:.1f} s, seed {seed}"
        if number % 2:  # every other kill meets a machine that runs already
            lab.down()
    lab.down()
    assert traces(lab.name) == [], f"seed {seed}"


def _phases(done):
    return json.loads(done.stdout)["phases_s"]

"""The command line on a lab that runs: what a user or a script sees of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.substrate import pace

pytestmark = [pytest.mark.lab, pytest.mark.every_substrate]

BIG = 5_000_000


def test_exec_hands_streams_and_exit_code_through(running_lab):
    done = running_lab.vpnlab("exec", "vm1", "--", "sh", "-c", "hostname; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "vm1\n", "err\n")


def test_exec_says_which_nodes_there_are(running_lab):
    done = running_lab.vpnlab("exec", "nosuch", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert "bgw1, hq-gw, hq-host, internet, vm1, vpc-app" in done.stderr


def test_five_megabytes_go_in_and_come_back_unchanged(running_lab):
    data = os.urandom(BIG)
    done = subprocess.run(
        running_lab.argv("exec", "vm1", "cat"), input=data, capture_output=True, check=True,
        timeout=60 * pace.slowness(),
    )  # fmt: skip
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_a_file_is_copied_into_a_node_and_out_of_it(running_lab, tmp_path):
    data = os.urandom(300_000)
    (tmp_path / "in").write_bytes(data)
    assert running_lab.vpnlab("cp", str(tmp_path / "in"), "vm1:/run/copied").returncode == 0
    (tmp_path / "out").mkdir()
    assert running_lab.vpnlab("cp", "vm1:/run/copied", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out" / "copied").read_bytes() == data
    missing = running_lab.vpnlab("cp", "vm1:/run/nothing", str(tmp_path / "out"))
    assert (missing.returncode == 0, [path.name for path in (tmp_path / "out").iterdir()]) == (False, ["copied"])
    assert "/run/nothing" in missing.stderr
    assert running_lab.vpnlab("exec", "vm1", "rm", "/run/copied").returncode == 0


def test_a_reader_that_stops_reading_ends_the_command(running_lab):
    with subprocess.Popen(running_lab.argv("exec", "vm1", "yes"), stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.read(2) == b"y\n"
        running.stdout.close()
        assert running.wait(30 * pace.slowness()) == 141


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command_in_the_node(running_lab, number):
    name = number.name.removeprefix("SIG")
    words = ("sh", "-c", f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.2; done")
    with subprocess.Popen(running_lab.argv("exec", "vm1", *words), stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(number)
        assert running.stdout.read() == b"got\n"
        assert running.wait(30 * pace.slowness()) == 9


class Terminal:
    """A terminal of the test's own, with a command on it."""

    def __init__(self, argv: list[str], rows: int, columns: int) -> None:
        self.master, self.terminal = pty.openpty()
        termios.tcsetwinsize(self.master, (rows, columns))
        self.before = termios.tcgetattr(self.terminal)
        self.running = subprocess.Popen(
            ["/usr/bin/setsid", "--ctty", "--wait", *argv],
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
        )
        self.seen = b""

    def expect(self, text: bytes) -> None:
        until = time.monotonic() + 30 * pace.slowness()
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.partition(text)[2]

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)


@contextmanager
def terminal_with(argv: list[str], rows: int = 30, columns: int = 90) -> Iterator[Terminal]:
    terminal = Terminal(argv, rows, columns)
    try:
        yield terminal
    finally:
        with contextlib.suppress(ProcessLookupError):
            terminal.running.kill()
        terminal.running.wait()
        os.close(terminal.master)
        os.close(terminal.terminal)


WAITING = (
    b'import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print("wait" "ing", flush=True); signal.pause()'
)
"""Waits for a signal in the process that says so. A shell would fork in between, and lose an early Ctrl-C."""


def test_a_shell_is_a_terminal_of_the_same_size_in_the_node(running_lab):
    with terminal_with(running_lab.argv("shell", "hq-gw")) as shell:
        shell.type(b"PS1=pro''mpt:; stty size; hostname\r")
        shell.expect(b"30 90\r\n")
        shell.expect(b"hq-gw\r\n")
        termios.tcsetwinsize(shell.master, (40, 100))  # the kernel tells vpnlab, as it does when a window is resized
        shell.type(b"until stty size | grep '40 1''00'; do :; done\r")
        shell.expect(b"40 100\r\n")
        shell.type(b"python3 -c '" + WAITING + b"'\r")
        shell.expect(b"waiting\r\n")
        shell.type(b"\x03")
        shell.expect(b"prompt:")  # what is typed before that, bash may throw away
        shell.type(b"echo ali''ve\r")
        shell.expect(b"alive\r\n")
        shell.type(b"exit 5\r")
        assert shell.running.wait(30 * pace.slowness()) == 5
        assert termios.tcgetattr(shell.terminal) == shell.before


def test_exec_gives_a_terminal_when_asked_for(running_lab):
    with terminal_with(
        running_lab.argv("exec", "-it", "vm1", "--", "sh", "-c", "test -t 0 && echo is a termi''nal")
    ) as run:
        run.expect(b"is a terminal\r\n")
        assert run.running.wait(30 * pace.slowness()) == 0


def test_ping_goes_from_node_to_node(running_lab):
    done = running_lab.vpnlab("ping", "-c", "2", "vm1", "hq-host")
    assert done.returncode == 0, done.stderr
    assert "2 received" in done.stdout


def test_ping_without_an_answer_is_exit_code_1(running_lab):
    assert running_lab.vpnlab("ping", "-c", "1", "vm1", "172.16.1.77").returncode == 1


def test_ping_alone_goes_through_each_tunnel(running_lab):
    done = running_lab.vpnlab("ping", "-f", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [ping["tunnel"] for ping in told["pings"]] == ["hq-1", "hq-2"]
    assert all(ping["round_trip_ms"] > 0 for ping in told["pings"])


def test_pings_at_the_same_time_do_not_go_through_each_others_tunnels(running_lab):
    drop = "type filter hook forward priority 0; oifname xfrm1 icmp type echo-request drop;"
    assert running_lab.exec("bgw1", ["nft", f"table inet silent {{ chain out {{ {drop} }}; }}"]).returncode == 0
    try:
        argv = running_lab.argv("ping", "-f", "json")
        at_once = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        told = [json.loads(each.communicate(timeout=300 * pace.slowness())[0]) for each in at_once]
    finally:
        assert running_lab.exec("bgw1", ["nft", "delete table inet silent"]).returncode == 0
    for answers in told:
        through = {ping["tunnel"]: ping["round_trip_ms"] for ping in answers["pings"]}
        assert through["hq-1"] is None
        assert through["hq-2"] > 0


def test_logs_show_the_end_of_each_engines_log(running_lab):
    done = running_lab.vpnlab("logs", "hq-gw", "-n", "5")
    assert done.returncode == 0, done.stderr
    assert [re.sub(".*/", "", name) for name in re.findall("==> (.*) <==", done.stdout)] == [
        "agent.log", "charon.log", "exabgp.log",
    ]  # fmt: skip
    assert len(running_lab.vpnlab("logs", "hq-gw", "charon", "-n", "5").stdout.splitlines()) == 5


def test_events_tell_how_the_lab_came_up(running_lab):
    done = running_lab.vpnlab("events", "-f", "json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert {event["subject"] for event in events if event["kind"] == "tunnel-up"} == {"hq-1", "hq-2"}
    last = events[-1]["number"]
    assert running_lab.vpnlab("events", "--since", str(last)).stdout == ""


def test_following_ends_with_130_when_interrupted(running_lab):
    argv = running_lab.argv("events", "--follow")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert b"Traceback" not in running.stderr.read()
        assert running.wait(30 * pace.slowness()) == 130


def test_status_is_json_with_a_version(running_lab):
    told = json.loads(running_lab.vpnlab("status", "-f", "json").stdout)
    assert (told["version"], told["lab"], told["ready"]) == (1, running_lab.name, True)


def test_the_image_of_a_running_lab_is_not_removed(running_lab):
    if running_lab.substrate != "microvm":
        pytest.skip("the lab runs on this host itself, without an image")
    images = json.loads(running_lab.vpnlab("status", "--all", "-f", "json").stdout)["labs"]
    image = next(lab["image"] for lab in images if lab["name"] == running_lab.name)
    done = subprocess.run(
        [*running_lab.argv("image")[:3], "image", "rm", image], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "in use by a running lab" in done.stderr

"""No key is seen where keys have no business: logs, processes, reports, files, the snapshot."""

from __future__ import annotations

import mmap
import re
import stat

import pytest

from lab.control import record
from lab.control.paths import labs_directory

pytestmark = [pytest.mark.lab, pytest.mark.every_substrate]

KEYS_FILE = "keys.json"


@pytest.fixture
def secrets_of(running_lab):
    """The pre-shared keys of the lab, and the keys of its SAs as the kernel prints them."""
    keys = [key.encode() for key in record.read_keys(running_lab.name).values()]
    assert len(set(keys)) == len(running_lab.plan.tunnels)
    for gateway in ("bgw1", "hq-gw"):
        states = running_lab.exec(gateway, ["ip", "xfrm", "state"]).stdout
        found = re.findall(rb"0x([0-9a-f]{32,})", states)
        assert found, "the kernel shows no keys: the test looks in the wrong place"
        keys += found
    return keys


def assert_clean(text, keys, where):
    assert text, f"{where} is empty: the test looks in the wrong place"
    assert not any(key in text for key in keys), f"a key stands in {where}"


def test_no_key_in_the_logs_and_files_of_the_nodes(running_lab, secrets_of):
    folder = f"/run/vpnlab/{running_lab.name}"
    found = running_lab.exec(None, ["find", folder, "-type", "f", "-exec", "cat", "{}", "+"])
    assert b"charon" in found.stdout
    assert_clean(found.stdout, secrets_of, folder)


def test_no_key_on_a_command_line_or_in_an_environment(running_lab, secrets_of):
    beside_the_nodes = running_lab.exec(None, ["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null"])
    assert_clean(beside_the_nodes.stdout, secrets_of, "the process list")


@pytest.mark.parametrize("command", ["plan", "status", "events", "up"])
def test_no_key_in_what_commands_print(running_lab, secrets_of, command):
    arguments = ["-t", "examples/ha.vpnlab.yaml"] if command in {"plan", "up"} else []
    done = running_lab.vpnlab(command, *arguments, *([] if command == "plan" else ["-f", "json"]))
    assert done.returncode == 0, done.stderr
    assert_clean((done.stdout + done.stderr).encode(), secrets_of, f"vpnlab {command}")


def test_keys_are_kept_in_one_file_that_only_its_owner_reads(running_lab, secrets_of):
    for path in labs_directory().rglob("*"):
        if path.is_file() and path.name != KEYS_FILE and "snapshot" not in path.parts:
            assert not any(key in path.read_bytes() for key in secrets_of), path
    kept = running_lab.directory / KEYS_FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(running_lab.directory.stat().st_mode) == 0o700


def test_no_key_in_the_snapshot(running_lab, secrets_of):
    ram = running_lab.directory / "snapshot" / "ram"
    if not ram.exists():
        pytest.skip("this lab was not started from a snapshot")
    with ram.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        assert memory.find(b"vpnlab") >= 0, "the snapshot's memory does not hold the project at all"
        assert all(memory.find(key) < 0 for key in secrets_of)

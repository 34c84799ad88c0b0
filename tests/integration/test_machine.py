import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from lab.control.computers import guest_cpus
from lab.image import GuestImage, cpio, ensure
from lab.substrate import process
from lab.substrate.microvm import accel, machine, sockets
from lab.substrate.microvm.machine import MachineFailed
from lab.substrate.microvm.qemu import Hardware

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300)]

RESIDENT = Path(__file__).with_name("machine_resident.py")
MEMORY_MIB = 512
CPUS = guest_cpus()


@pytest.fixture(scope="module")
def guest_image():
    return ensure(print)


@pytest.fixture(scope="module")
def image(tmp_path_factory, guest_image):
    """The project's image with the tests' resident process in place of the real one, and no snapshot yet."""
    directory = tmp_path_factory.mktemp("image")
    source, name = cpio.Entry(RESIDENT.read_bytes()), cpio.Entry(f"{RESIDENT.stem}\n".encode())
    ours = cpio.archive({f"vpnlab/{RESIDENT.name}": source, "vpnlab/resident": name})
    initramfs = directory / "initramfs"
    initramfs.write_bytes(guest_image.initramfs.read_bytes() + ours)
    return GuestImage(directory, "test", guest_image.kernel, initramfs, guest_image.root)


@pytest.fixture(scope="module")
def accel_name(guest_image, tmp_path_factory):
    return accel.choose(guest_image.kernel, tmp_path_factory.mktemp("cache")).name


@pytest.fixture
def start(image, accel_name, tmp_path):
    """Start machines, each in a directory of its own below a long path; what still runs at the end is stopped."""
    directories = []

    def start_one(name="one", *, use_snapshot=True, progress=lambda _: None):
        directory = tmp_path / ("long" * 25) / name
        directories.append(directory)
        return machine.start(
            image,
            directory,
            accel=accel_name,
            memory_mib=MEMORY_MIB,
            cpus=CPUS,
            use_snapshot=use_snapshot,
            progress=progress,
        )

    yield start_one
    for directory in directories:
        machine.clear(directory)


def call(running, name, port=0, **args):
    with sockets.connect(running.directory, f"port{port}.sock", timeout_s=30) as sock, sock.makefile("rb") as lines:
        for message in ({"hello": f"{name}{port}"}, {"call": name, "args": args}):
            sock.sendall(b"\n" + json.dumps(message).encode() + b"\n")
            answer = json.loads(lines.readline())
        return answer["result"]


def wake(running):
    call(running, "wake", time_ns=time.time_ns(), entropy=os.urandom(64).hex())


def cpu_s(running):
    fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def await_end(running):
    descriptor = os.pidfd_open(running.pid)
    assert select.select([descriptor], [], [], 30)[0]
    os.close(descriptor)


def only_snapshot(image):
    return next(path for path in (image.directory / "snapshots").iterdir() if not path.name.startswith("."))


def test_a_guest_boots_answers_on_every_port_and_stops(start, image):
    running = start(use_snapshot=False)
    assert not running.from_snapshot
    assert not (image.directory / "snapshots").exists()
    assert machine.find(running.directory) == running
    for port in range(8):
        wake(running)
        assert abs(call(running, "time_ns", port) - time.time_ns()) < 1e9
    machine.stop(running)
    assert machine.find(running.directory) is None
    assert {path.name for path in running.directory.iterdir()} == {"console.log", "qemu.log"}


def test_five_restores_share_no_random_number_and_know_the_time(start):
    seen = []
    for _ in range(5):
        running = start()
        assert running.from_snapshot
        wake(running)
        off_ns = time.time_ns() - call(running, "time_ns")
        assert abs(off_ns) < 1e9
        seen.append(call(running, "random"))
        machine.stop(running)
    for values in zip(*seen, strict=True):
        assert len(set(values)) == 5


def test_two_machines_run_from_one_snapshot_at_once(start):
    one, two = start("one"), start("two")
    assert one.from_snapshot
    assert two.from_snapshot
    for running in (one, two):
        wake(running)
    assert call(one, "random") != call(two, "random")
    machine.stop(one)
    assert call(two, "time_ns", port=3)


def test_an_idle_guest_takes_next_to_no_processor_time(start):
    running = start()
    wake(running)
    before_s, before = cpu_s(running), call(running, "turns")
    threading.Event().wait(5)  # the time over which is measured
    assert (cpu_s(running) - before_s) / 5 < 0.05
    assert call(running, "turns") - before < 10


@pytest.mark.parametrize("file", ["ram", "state"])
def test_a_truncated_snapshot_is_replaced_once_by_two_commands_at_once(start, image, file):
    start("first")
    path = only_snapshot(image) / file
    os.truncate(path, path.stat().st_size // 2)
    said = []
    with ThreadPoolExecutor() as commands:
        started = list(commands.map(partial(start, progress=said.append), ("second", "third")))
    assert [running.from_snapshot for running in started] == [True, True]
    assert said.count("booting the guest for its snapshot") == 1


def test_a_killed_qemu_is_noticed_and_its_directory_used_again(start):
    running = start()
    os.kill(running.pid, signal.SIGKILL)
    await_end(running)
    assert machine.find(running.directory) is None
    again = start()
    wake(again)
    assert machine.find(again.directory) == again


def test_a_guest_that_panics_ends_its_machine(start):
    running = start()
    with sockets.connect(running.directory, "port0.sock") as sock:
        sock.sendall(b'{"call": "panic"}\n')
        await_end(running)
    assert machine.find(running.directory) is None


def test_a_snapshot_of_rubbish_is_thrown_away_and_the_guest_boots(start, image):
    start("first")
    snapshot = only_snapshot(image)
    (snapshot / "state").write_bytes(os.urandom((snapshot / "state").stat().st_size))
    said = []
    running = start("second", progress=said.append)
    assert not running.from_snapshot
    assert any("does not restore" in text or "did not restore" in text for text in said)
    assert not snapshot.exists()
    wake(running)


def test_a_guest_without_a_root_says_what_happened(image, tmp_path, accel_name):
    (tmp_path / "root").write_bytes(b"no file system" * 512)
    broken = GuestImage(tmp_path, "broken", image.kernel, image.initramfs, tmp_path / "root")
    directory = tmp_path / "lab"
    with pytest.raises(MachineFailed, match=r"did not boot.*console.log: .*root.erofs"):
        machine.start(
            broken,
            directory,
            accel=accel_name,
            memory_mib=MEMORY_MIB,
            cpus=CPUS,
            use_snapshot=False,
            progress=lambda _: None,
        )
    assert machine.find(directory) is None


SCRIPT = f"""
import sys
from pathlib import Path
from lab.image import GuestImage
from lab.substrate.microvm import machine
key, accel, *paths = sys.argv[1:]
images, kernel, initramfs, root, lab = map(Path, paths)
image = GuestImage(directory=images, key=key, kernel=kernel, initramfs=initramfs, root=root)
def say(text):
    print(text, flush=True)
machine.start(
    image, lab, accel=accel, memory_mib={MEMORY_MIB}, cpus={CPUS}, use_snapshot=key != "no snapshot", progress=say
)
"""


def killed_command(image, key, accel_name, lab, watched):
    """Run a command that starts a machine; kill it once one runs in `watched`, and return that."""
    paths = map(str, (image.directory, image.kernel, image.initramfs, image.root, lab))
    argv = [sys.executable, "-c", SCRIPT, key, accel_name, *paths]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as command:
        assert command.stdout.readline().startswith(b"booting the guest")
        running = None
        while running is None or running.pid == 0:
            assert command.poll() is None
            running = machine.find(watched)
        command.kill()
    return running


def test_a_guest_that_panics_while_it_boots_is_booted_again(image, accel_name, tmp_path):
    panics = tmp_path / "initramfs"
    panics.write_bytes(cpio.archive({"init": cpio.Entry(b"no program", mode=0o755)}))
    broken = GuestImage(tmp_path, "panics", image.kernel, panics, image.root)
    said = []
    hardware = {"accel": accel_name, "memory_mib": MEMORY_MIB, "cpus": CPUS}
    with pytest.raises(MachineFailed, match="Kernel panic"):
        machine.start(broken, tmp_path / "lab", **hardware, use_snapshot=False, progress=said.append)
    assert said.count("the guest's kernel panicked; booting it again") == 2


def test_what_a_killed_command_left_is_found_and_cleared(image, accel_name, tmp_path):
    directory = tmp_path / "lab"
    left = killed_command(image, "no snapshot", accel_name, directory, directory)
    found = machine.find(directory)
    assert (found.pid, found.ready) == (left.pid, False)
    machine.clear(directory)
    assert process.observe(left.pid) is None
    assert list(directory.iterdir()) == []


def test_a_machine_for_a_snapshot_ends_with_the_command_that_makes_it(image, accel_name, tmp_path):
    (tmp_path / "image").mkdir()
    image = GuestImage(tmp_path / "image", "killed", image.kernel, image.initramfs, image.root)
    name = machine.snapshot_name(image, Hardware(accel_name, MEMORY_MIB, CPUS))
    making = machine.snapshot.making_directory(image.directory / "snapshots", name)
    left = killed_command(image, "killed", accel_name, tmp_path / "lab", making)
    while process.observe(left.pid) is not None:
        pass
    assert machine.find(making) is None

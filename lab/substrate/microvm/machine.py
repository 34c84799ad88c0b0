"""The life of one machine: start it, find it again from another command, stop it.

A machine is a QEMU process of its own session with a directory of its own. The directory is all that a later
command needs: `machine.json` in it is written before QEMU starts, so even what a killed command left behind is found.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from lab.errors import HostCannot, LabError
from lab.image import GuestImage
from lab.substrate import pace, process
from lab.substrate.microvm import qemu, snapshot, sockets
from lab.substrate.microvm.host import cpu_model, program, program_identity
from lab.substrate.microvm.qemu import BootFiles, Hardware, Ram
from lab.substrate.microvm.qmp import Qmp, QmpError
from lab.wire.messages import LineReader, encode

MACHINE_FILE = "machine.json"
OWN_FILES = (
    *(MACHINE_FILE, qemu.QMP_SOCKET, qemu.SNAPSHOT_LINK, qemu.CONSOLE_LOG, qemu.QEMU_LOG),
    *(qemu.PORT_SOCKET.format(number=number) for number in range(qemu.PORTS)),
)

QMP_S = 10.0
"""Seconds for QEMU to answer: it takes 0.1 s when the host is idle."""
BOOT_S = 60.0
"""Seconds from QEMU's start to the resident process's first answer: 5-7 s under TCG on two idle cores."""
BOOT_ATTEMPTS = 3
"""Under QEMU 7.2's TCG a boot in some forty ended in a panic ("Oops: int3") while both processors booted: one ran a
stale translation of code that the other was changing. A panic shows at once; trying again costs seconds."""
PANIC = b"Kernel panic"
LAST_BYTES = 16384
"""Bytes of a log that are looked at for a message: a panic's trace is shorter."""
RESTORE_S = 5.0
"""Seconds for the same from a snapshot, to which twice the time of the boot is added."""
SAVE_S = 60.0
"""Seconds for a snapshot: a slow disk has to take in some 150 MB."""
STOP_S = 2.0
"""Seconds that QEMU has to end by itself before it is killed."""

Progress = Callable[[str], None]
Booted = TypeVar("Booted")


@dataclass(frozen=True, slots=True)
class Machine:
    """A QEMU process that runs, or ran when it was looked for.

    `started` is in clock ticks since the host booted; with `pid` it names the process for good.
    `ready` is false as long as the resident process has not answered: the command that started the
    machine is still at it, or was killed.
    """

    directory: Path
    uuid: str
    accel: str
    from_snapshot: bool
    pid: int
    started: int
    ready: bool

    @property
    def process(self) -> process.Process:
        """The QEMU process."""
        return process.Process(self.pid, self.started)


class MachineFailed(LabError):
    """A machine did not start. The message ends with what QEMU and the guest said last."""

    exit_code = HostCannot.exit_code


def start(
    image: GuestImage,
    directory: Path,
    *,
    accel: str,
    memory_mib: int,
    cpus: int,
    use_snapshot: bool,
    progress: Progress,
    boot_s: float = BOOT_S,
) -> Machine:
    """Start a machine in `directory` and return when its resident process answers on port 0.

    With `use_snapshot` it starts from the snapshot beside the image, which is made first where there is
    none. A snapshot that does not restore is thrown away and the guest boots. `boot_s` is what a boot may take on
    the reference host.
    The caller must `wake` the guest before anything else: its clock stands and its random numbers repeat.
    Raises HostCannot and MachineFailed; nothing is left running then.
    """
    hardware = Hardware(accel, memory_mib, cpus)
    clear(directory)
    if use_snapshot:
        name = snapshot_name(image, hardware)
        found = _ensure_snapshot(image, hardware, name, progress, boot_s)
        if found is not None:
            try:
                return _restore(image, directory, hardware, found)
            except MachineFailed as error:
                progress(f"the snapshot did not restore and is thrown away: {error.what}")
                snapshot.discard(_snapshots(image), name)
    progress("booting the guest")
    return _boot(image, directory, hardware, progress, boot_s)


def find(directory: Path) -> Machine | None:
    """Return the machine that runs in `directory`, also one whose starter was killed half-way or whose file is lost."""
    machine = _read(directory)
    if machine is None:
        found = process.search_in(directory, qemu.NAME) if directory.exists() else None
        return Machine(directory, "", "", False, found.pid, found.started, ready=False) if found else None
    if machine.pid == 0:
        found = process.search(machine.uuid)
        return replace(machine, pid=found.pid, started=found.started) if found else None
    alive = process.observe(machine.pid) == machine.process and process.carries(machine.pid, machine.uuid)
    return machine if alive else None


def stop(machine: Machine) -> None:
    """End QEMU, by force where it does not end by itself, and remove the machine's files but its logs."""
    process.end(machine.process, grace_s=STOP_S)
    for name in OWN_FILES:
        if not name.endswith(".log"):
            (machine.directory / name).unlink(missing_ok=True)


def clear(directory: Path) -> None:
    """Leave nothing of a machine in `directory`, running or dead; other files stay. Creates the directory, 0700."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    machine = find(directory)
    if machine is not None:
        stop(machine)
    for name in OWN_FILES:
        (directory / name).unlink(missing_ok=True)


def last_words(directory: Path) -> str:
    """Return the end of what QEMU and the guest's console said, for a message."""
    words = []
    for name in (qemu.QEMU_LOG, qemu.CONSOLE_LOG):
        try:
            lines = (directory / name).read_bytes()[-LAST_BYTES:].decode(errors="replace").splitlines()
        except FileNotFoundError:
            continue
        told = [line for line in lines if PANIC.decode() in line] or lines[-3:]
        words += [f"{name}: {line.strip()}" for line in told if line.strip()]
    return "; ".join(words) or "neither QEMU nor the guest said anything"


def _ensure_snapshot(
    image: GuestImage, hardware: Hardware, name: str, progress: Progress, boot_s: float
) -> snapshot.Snapshot | None:
    """Return the snapshot, made by now if need be, or None when it could not be saved."""
    snapshots = _snapshots(image)
    found = snapshot.find(snapshots, name)
    if found is not None:
        return found
    with snapshot.locked(snapshots, name):
        found = snapshot.find(snapshots, name)  # another command may have made it while this one waited
        if found is not None:
            return found
        progress("booting the guest for its snapshot")
        making = snapshot.making_directory(snapshots, name)
        try:
            _unless_it_panics(lambda: _make_snapshot(image, hardware, name, progress, boot_s), making, progress)
        except (QmpError, OSError) as error:
            progress(f"the snapshot could not be made: {error}")
            return None
        finally:
            _remove(making)
        return snapshot.find(snapshots, name)


def _make_snapshot(image: GuestImage, hardware: Hardware, name: str, progress: Progress, may_take_s: float) -> None:
    """Boot a guest only to keep it: what runs on would change the memory that was saved."""
    making = snapshot.making_directory(_snapshots(image), name)
    _remove(making)
    making.mkdir(mode=0o700)  # not its parents: an image that was removed meanwhile stays removed
    clear(making)
    began = time.monotonic()
    with _running(image, making, hardware, ram="template") as (machine, qmp):
        _await_resident(machine, deadline=pace.deadline(may_take_s))
        boot_s = time.monotonic() - began
        progress(f"booted in {boot_s:.1f} s; saving the snapshot")
        snapshot.save(qmp, making, boot_s=boot_s, deadline=pace.deadline(SAVE_S))
    stop(machine)
    snapshot.publish(_snapshots(image), name)


def _remove(making: Path) -> None:
    if making.exists():
        clear(making)
        shutil.rmtree(making)


def _boot(image: GuestImage, directory: Path, hardware: Hardware, progress: Progress, boot_s: float) -> Machine:
    def attempt() -> Machine:
        clear(directory)
        with _running(image, directory, hardware, ram="own") as (machine, _):
            return _await_resident(machine, deadline=pace.deadline(boot_s))

    try:
        return _unless_it_panics(attempt, directory, progress)
    except (QmpError, OSError) as error:
        raise _failed(directory, "the guest did not boot", error) from error


def _unless_it_panics(attempt: Callable[[], Booted], directory: Path, progress: Progress) -> Booted:
    """Return what `attempt` returns; try again when the guest's kernel panicked, `BOOT_ATTEMPTS` times in all."""
    for _ in range(BOOT_ATTEMPTS - 1):
        try:
            return attempt()
        except ConnectionResetError:
            if PANIC not in (directory / qemu.CONSOLE_LOG).read_bytes():
                raise
            progress("the guest's kernel panicked; booting it again")
    return attempt()


def _restore(image: GuestImage, directory: Path, hardware: Hardware, source: snapshot.Snapshot) -> Machine:
    deadline = pace.deadline(RESTORE_S + 2 * source.boot_s)
    try:
        (directory / qemu.SNAPSHOT_LINK).symlink_to(source.directory.absolute())
        with _running(image, directory, hardware, ram="copy") as (machine, qmp):
            snapshot.load(qmp, deadline=deadline)
            return _await_resident(machine, deadline=deadline)
    except (QmpError, OSError) as error:
        raise _failed(directory, "the guest did not restore", error) from error


def _failed(directory: Path, what: str, error: Exception) -> MachineFailed:
    return MachineFailed(
        f"{what}: {error}; last: {last_words(directory)}",
        mend="try again; `vpnlab doctor` tries what the guest needs of this host",
    )


@contextmanager
def _running(image: GuestImage, directory: Path, hardware: Hardware, *, ram: Ram) -> Iterator[tuple[Machine, Qmp]]:
    """Start QEMU, detached, with a QMP session for the block. When the block fails QEMU is ended."""
    files = BootFiles(image.kernel.absolute(), image.initramfs.absolute(), image.root.absolute())
    uuid, generation = str(uuid4()), str(uuid4())
    argv = qemu.command_line(files, hardware, ram=ram, uuid=uuid, generation=generation, program=str(program()))
    machine = Machine(directory, uuid, hardware.accel, from_snapshot=ram == "copy", pid=0, started=0, ready=False)
    with ExitStack() as undo:
        undo.callback(_end, directory)
        with sockets.listen(directory, qemu.QMP_SOCKET) as listener:
            _write(machine)
            pid = _spawn_detached(process.tied(argv) if ram == "template" else argv, directory, listener.fileno())
            found = process.observe(pid)
            machine = replace(machine, pid=pid, started=found.started if found else 0)
            _write(machine)
            connection = sockets.connect(directory, qemu.QMP_SOCKET)
        # The listener is QEMU's alone now: should QEMU end, the connection ends too.
        with connection:
            yield machine, Qmp(connection, deadline=pace.deadline(QMP_S))
        undo.pop_all()


def _end(directory: Path) -> None:
    """End the machine that this process has just started, and take its exit status, be it alive or not."""
    machine = _read(directory)
    if machine is not None and machine.pid:
        process.end(machine.process, grace_s=0)


def _spawn_detached(argv: list[str], directory: Path, qmp_listener: int) -> int:
    """Start a process in a session of its own, its output in a log; return its pid.

    `env --chdir` changes the directory, for posix_spawn cannot; unlike subprocess it lets the child outlive us.
    """
    env = shutil.which("env") or "/usr/bin/env"
    log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(directory / qemu.QEMU_LOG), log, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        (os.POSIX_SPAWN_DUP2, qmp_listener, qemu.QMP_FD),
    ]
    return os.posix_spawn(
        env,
        [env, f"--chdir={directory.absolute()}", *argv],
        os.environ,
        file_actions=actions,
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE],  # Python ignores it, and what is ignored stays so in a child
    )


def _await_resident(machine: Machine, *, deadline: float) -> Machine:
    """Say hello on port 0 until the resident process says it back. Raises OSError."""
    nonce = secrets.token_hex(8)
    reader = LineReader()
    with sockets.connect(machine.directory, qemu.PORT_SOCKET.format(number=0)) as port:
        port.settimeout(max(0.1, deadline - time.monotonic()))
        port.sendall(b"\n" + encode({"hello": nonce}))  # waits in the port until the guest opens it
        while True:
            port.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = port.recv(65536)
            except TimeoutError:
                raise TimeoutError("the resident process did not answer on port 0 in time") from None
            except ConnectionResetError:
                data = b""
            if not data:
                raise ConnectionResetError("QEMU ended before the resident process answered")
            if any(message.get("hello") == nonce for message in reader.feed(data)):
                break
    machine = replace(machine, ready=True)
    _write(machine)
    return machine


def _snapshots(image: GuestImage) -> Path:
    return image.directory / "snapshots"


def snapshot_name(image: GuestImage, hardware: Hardware) -> str:
    """Return the name of the snapshot that a machine of this hardware can start from on this host."""
    return qemu.snapshot_name(hardware, image_key=image.key, qemu_identity=program_identity(), cpu_model=cpu_model())


def _write(machine: Machine) -> None:
    path = machine.directory / MACHINE_FILE
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(machine) | {"directory": ""}))
    new.replace(path)


def _read(directory: Path) -> Machine | None:
    try:
        return Machine(**json.loads((directory / MACHINE_FILE).read_text()) | {"directory": directory})
    except (OSError, ValueError, TypeError, RecursionError):
        return None  # none, not ours, or of another version

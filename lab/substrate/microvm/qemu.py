"""QEMU's command line, decided purely.

Every path in it but the image's is relative: QEMU runs in the machine's own directory, so that
sockets under a long XDG path stay within the 108 bytes of `sun_path`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PROGRAM = "qemu-system-x86_64"
NAME = "vpnlab"
"""What QEMU calls a lab's machine; with the directory that it works in this finds it when all files are lost."""

PORTS = 8
"""Eight channels: one for control and a few for output and shells that are open at the same time."""

PORT_NAME = "org.vpnlab.{number}"
PORT_SOCKET = "port{number}.sock"
QMP_SOCKET = "qmp.sock"
QMP_FD = 3
"""QEMU inherits its QMP socket already listening, so whoever starts it can connect at once."""
CONSOLE_LOG = "console.log"
QEMU_LOG = "qemu.log"
RAM_FILE = "ram"
STATE_FILE = "state"
SNAPSHOT_LINK = "snapshot"

MACHINE = "q35,vmport=off,sata=off,smbus=off,i8042=off"
"""Without the devices that nobody uses here: firmware and kernel would look for what is connected to them."""

KERNEL_PARAMETERS = (
    "quiet mitigations=off random.trust_cpu=on nokaslr cryptomgr.notests no_timer_check audit=0 console=ttyS0 "
    "norandmaps panic=-1 oops=panic maxcpus=1 noreplace-smp lpj=10000000 "
    "initcall_blacklist=jent_mod_init,trace_eval_init,load_system_certificate_list"
)
"""`panic=-1` with `-no-reboot` turns a kernel panic into QEMU's exit, which is an event to wait for; `oops=panic` makes
one of every oops, after which a guest may live on without one of its processes. With `maxcpus=1` the kernel boots on
one processor, as long as it patches its own code (lab.runtime.processors starts the others). Each of those would take
up to a second to measure `lpj`, under emulation in vain; this is 2.5 GHz, and nothing here waits by it for long. With
`noreplace-smp` the kernel keeps its lock prefixes, which it would take out until there is a second processor.
With `norandmaps` a library lies at the same address in every process: QEMU 7.2 translates code for its address, and
would do it anew for each process. `initcall_blacklist` leaves out what takes longest of what nobody needs here: the
jitter generator, which tries itself for a quarter of a second and without which the random numbers of drbg come from
the kernel's alone; names for tracing; certificates of modules, whose signatures the image does not have."""


@dataclass(frozen=True, slots=True)
class BootFiles:
    """The files that a guest boots: absolute paths."""

    kernel: Path
    initramfs: Path
    root: Path


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the guest can tell of its machine. A snapshot fits only the hardware it was taken on."""

    accel: str
    memory_mib: int
    cpus: int


Ram = Literal["own", "template", "copy"]
"""Where guest memory lives.

own: anonymous memory. template: shared with the file `ram`, which becomes a snapshot's memory.
copy: a private, copy-on-write view of a snapshot's file, of which only touched pages are read.
"""


def command_line(
    files: BootFiles, hardware: Hardware, *, ram: Ram, uuid: str, generation: str, program: str = PROGRAM
) -> list[str]:
    """Return the argv of one machine.

    `uuid` marks the process as this lab's. `generation` is the vmgenid: it must differ at each start,
    for the guest's kernel reseeds its random numbers when it sees a new one after a restore.
    With `ram="copy"` the machine waits for the QMP command `migrate-incoming`.
    """
    root = {"driver": "file", "node-name": "root", "filename": str(files.root), "read-only": True}
    argv = [
        *(program, "-name", NAME, "-uuid", uuid),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", f"{MACHINE},memory-backend=ram", *_processor(hardware.accel)),
        *("-smp", str(hardware.cpus), "-m", f"{hardware.memory_mib}M", "-object", _memory(ram, hardware.memory_mib)),
        *("-kernel", str(files.kernel), "-initrd", str(files.initramfs), "-append", KERNEL_PARAMETERS),
        *("-chardev", f"socket,id=qmp,fd={QMP_FD},server=on,wait=off", "-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"file,id=console,path={CONSOLE_LOG},append=on", "-serial", "chardev:console"),
        *("-blockdev", json.dumps(root), "-device", "virtio-blk-pci,drive=root"),
        *("-device", "virtio-rng-pci", "-device", f"vmgenid,guid={generation}"),
        *("-device", f"virtio-serial-pci,max_ports={PORTS + 1}"),  # port 0 is reserved for a console
    ]
    for number in range(PORTS):
        socket, name = PORT_SOCKET.format(number=number), PORT_NAME.format(number=number)
        argv += ["-chardev", f"socket,id=port{number},path={socket},server=on,wait=off"]
        argv += ["-device", f"virtserialport,nr={number + 1},chardev=port{number},name={name}"]
    return argv + (["-incoming", "defer"] if ram == "copy" else [])


def probe_command_line(kernel: Path, accel: str, *, program: str = PROGRAM) -> list[str]:
    """Return the argv of a machine with nothing but `kernel`, whose console is QEMU's output."""
    return [
        *(program, "-name", "vpnlab-probe", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", MACHINE, *_processor(accel), "-smp", "2", "-m", "256M"),
        *("-kernel", str(kernel), "-append", KERNEL_PARAMETERS, "-serial", "stdio"),
    ]


def _processor(accel: str) -> tuple[str, ...]:
    """Return the arguments for the accelerator and the CPU.

    Under QEMU 7.2's TCG an interrupt right after CMPXCHG16B saves garbage as the flags (the low half of an operand),
    and the kernel, which allocates memory with it, dies of a double fault: 2 of 40 boots. So TCG offers no CX16.
    Nor does it offer fast strings (ERMS, FSRM), which make the kernel clear and copy pages byte by byte: under TCG each
    byte is a turn of a loop.
    """
    if accel == "kvm":
        return ("-accel", "kvm", "-cpu", "max")
    return ("-accel", "tcg,thread=multi", "-cpu", "max,-cx16,-erms,-fsrm")


def _memory(ram: Ram, memory_mib: int) -> str:
    if ram == "own":
        return f"memory-backend-ram,id=ram,size={memory_mib}M"
    path, share = (RAM_FILE, "on") if ram == "template" else (f"{SNAPSHOT_LINK}/{RAM_FILE}", "off")
    return f"memory-backend-file,id=ram,size={memory_mib}M,mem-path={path},share={share}"


def snapshot_name(hardware: Hardware, *, image_key: str, qemu_identity: str, cpu_model: str) -> str:
    """Return the name that only machines share which may run each other's snapshots.

    The whole command line goes into it, so a new device makes a new name. The host's CPU counts
    where the guest sees it, that is under KVM.
    """
    nowhere = BootFiles(Path("kernel"), Path("initramfs"), Path("root"))
    argv = command_line(nowhere, hardware, ram="template", uuid="", generation="")
    seen = [argv, image_key, qemu_identity, cpu_model if hardware.accel == "kvm" else ""]
    digest = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
    return f"{hardware.accel}-{hardware.memory_mib}m-{hardware.cpus}cpu-{digest[:16]}"

"""Tries what labs need of this host, one thing after the other. Leaves nothing behind."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from lab.control.computers import GUEST_MEMORY_MIB, guest_cpus, why_no_docker
from lab.control.doctor import Area, Check
from lab.control.labs import all_labs
from lab.control.paths import cache_home, state_home
from lab.errors import HostCannot
from lab.image import GuestImage, base_is_built, find
from lab.image.base import KEYRING, MIRROR, MIRROR_VARIABLE, PROGRAMS, check_host, which
from lab.image.recipe import SUITE
from lab.runtime.daemon import missing_programs
from lab.substrate import namespaces, netns
from lab.substrate.microvm import accel, machine, snapshot
from lab.substrate.microvm.host import program
from lab.substrate.microvm.qemu import Hardware
from lab.substrate.probe import probe_kernel

BUILD_BYTES = 1_000_000_000
"""An image, while it is built, and its snapshot."""
LAB_BYTES = 300_000_000
"""A snapshot, where the image is built."""
ANSWER_S = 10.0
PACKAGES = {
    "/usr/sbin/charon-systemd": "charon-systemd",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "ping": "iputils-ping",
}
"""Debian's packages with the programs that nodes need."""


def examine(*, network: bool) -> Iterator[Check]:
    """Everything that can be said of this host. The network is asked only if wanted."""
    try:
        image, base = find(), base_is_built()
    except HostCannot as error:
        image, base = None, False
        yield Check("image", "libraries", "lacking", error.what, error.mend)
    yield from _host(image)
    yield from _microvm(image)
    yield from _image(image, base=base)
    if network:
        yield _mirror()
    yield from _netns()
    yield _docker()
    yield from _labs()


def _host(image: GuestImage | None) -> Iterator[Check]:
    said = "root" if os.geteuid() == 0 else f"user {os.geteuid()}; the microvm needs no root"
    yield Check("host", "user", "ok", said)
    for name, directory, variable in (
        ("state", state_home(os.environ), "XDG_STATE_HOME"),
        ("cache", cache_home(os.environ), "XDG_CACHE_HOME"),
    ):
        yield _writable(name, directory, variable)
    yield _space(cache_home(os.environ), LAB_BYTES if image else BUILD_BYTES)
    yield _memory()


def _writable(name: str, directory: Path, variable: str) -> Check:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return Check("host", f"{name} folder", "ok", str(directory))
    except OSError as error:
        mend = f"make it writable, or name another folder in {variable}"
        return Check("host", f"{name} folder", "lacking", f"{directory}: {error.strerror}", mend)


def _space(directory: Path, needed: int) -> Check:
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    said = f"{free / 1e9:.1f} GB free in {existing}"
    if free >= needed:
        return Check("host", "disk space", "ok", said)
    mend = "free some; `vpnlab image rm --all` removes images that no lab uses"
    return Check("host", "disk space", "lacking", f"{said}, {needed / 1e9:.1f} GB needed", mend)


def _memory() -> Check:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) // 1024
    said = f"{available} MiB available; a lab's machine takes up to {GUEST_MEMORY_MIB} MiB"
    if available > GUEST_MEMORY_MIB:
        return Check("host", "memory", "ok", said)
    return Check("host", "memory", "note", said, "end other programs")


def _microvm(image: GuestImage | None) -> Iterator[Check]:
    try:
        path = program()
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=ANSWER_S)
    except HostCannot as error:
        yield Check("microvm", "QEMU", "lacking", error.what, error.mend)
        return
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Check("microvm", "QEMU", "lacking", str(error), "apt-get install --reinstall qemu-system-x86")
        return
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        yield Check("microvm", "QEMU", "lacking", f"{path}: {last[0]}", "apt-get install --reinstall qemu-system-x86")
        return
    yield Check("microvm", "QEMU", "ok", done.stdout.partition("\n")[0])
    if image is not None:
        chosen = accel.choose(image.kernel, cache_home(os.environ))
        fast = chosen.name == "kvm"
        yield Check("microvm", "KVM", "ok" if fast else "note", chosen.why, None if fast else _without_kvm())
        hardware = Hardware(chosen.name, GUEST_MEMORY_MIB, guest_cpus())
        kept = snapshot.find(image.directory / "snapshots", machine.snapshot_name(image, hardware))
        said = f"there; its boot took {kept.boot_s:.1f} s" if kept else "none yet: the first lab makes it"
        yield Check("microvm", "snapshot", "ok" if kept else "note", said)
    elif not os.access(accel.KVM, os.R_OK | os.W_OK):
        exists = accel.KVM.exists()
        said = f"{accel.KVM} cannot be opened" if exists else f"there is no {accel.KVM}"
        mend = "add yourself to the group kvm; " + _without_kvm() if exists else _without_kvm()
        yield Check("microvm", "KVM", "note", said, mend)
    else:
        yield Check("microvm", "KVM", "note", f"{accel.KVM} can be opened; it is tried with the first image")


def _without_kvm() -> str:
    return "none needed: QEMU emulates the processor, labs are slower"


def _image(image: GuestImage | None, *, base: bool) -> Iterator[Check]:
    if image is not None:
        yield Check("image", "image", "ok", f"{image.key} is built")
    else:
        yield Check("image", "image", "note", "not built yet", "`vpnlab image build`, or the first `vpnlab up`")
        if base:
            yield Check("image", "base", "ok", "built; only the project's layer is missing")
    if platform.machine() != "x86_64":
        yield Check("image", "processor", "lacking", f"{platform.machine()}: images are for x86-64", "use another host")
    for name, package in PROGRAMS.items():
        found = which(name)
        yield Check("image", name, "ok", found) if found else _not_installed("image", name, package)
    if not KEYRING.exists():
        yield _not_installed("image", str(KEYRING), "debian-archive-keyring")
    if os.geteuid() != 0:
        yield from _rootless()


def _rootless() -> Iterator[Check]:
    """What an ordinary user needs to build an image: namespaces, and ranges of subordinate identities."""
    done = subprocess.run(
        [which("unshare") or "unshare", "--user", "--map-root-user", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        yield Check("image", "user namespace", "ok", "works")
    else:
        mend = "sysctl -w kernel.unprivileged_userns_clone=1, or build the image as root"
        yield Check("image", "user namespace", "lacking", done.stderr.strip(), mend)
    if which("newuidmap") is None:
        yield _not_installed("image", "newuidmap", "uidmap")
    try:
        check_host()
    except HostCannot as error:
        if "/etc/sub" in error.what:
            yield Check("image", "subordinate ids", "lacking", error.what, error.mend)


def _mirror() -> Check:
    mirror = os.environ.get(MIRROR_VARIABLE) or MIRROR
    address = f"{mirror}/dists/{SUITE}/InRelease"
    try:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - the user's own mirror
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            return Check("image", "mirror", "ok", f"{address}: {answer.status}")
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return Check("image", "mirror", "lacking", f"{address}: {reason}", f"name another one in {MIRROR_VARIABLE}")


def _netns() -> Iterator[Check]:
    for finding in probe_kernel():
        mend = "none needed: labs run in a microvm instead" if os.geteuid() == 0 else "run as root, or use the microvm"
        yield Check("netns", finding.name, "ok" if finding.works else "lacking", finding.said.removeprefix("Error: "),
                    None if finding.works else mend)  # fmt: skip
    missing = missing_programs()
    for name, package in PACKAGES.items():
        yield _not_installed("netns", name, package) if name in missing else Check("netns", name, "ok", "installed")


def _docker() -> Check:
    obstacle = why_no_docker()
    if obstacle is None:
        return Check("docker", "containers", "ok", "one can make an XFRM interface")
    return Check("docker", "containers", "note", obstacle.what, obstacle.mend)


def _labs() -> Iterator[Check]:
    labs = all_labs()
    for lab in labs:
        if lab.running:
            yield Check("labs", lab.name, "ok", f"runs on {lab.substrate}")
        else:
            mend = f"`vpnlab down --name {lab.name}` clears it away, `vpnlab up` starts it again"
            yield Check("labs", lab.name, "note", f"was started on {lab.substrate} and does not run", mend)
    known = {lab.name for lab in labs}
    left = {name.removeprefix(netns.PREFIX).partition(".")[0] for name in namespaces.names(netns.PREFIX)}
    for stray in sorted(left - known):
        mend = f"if it is nobody's: ip -all netns list; `ip netns del {netns.PREFIX}{stray}.NODE` for each"
        yield Check("labs", stray, "note", "namespaces of a lab that this user did not start", mend)


def _not_installed(area: Area, name: str, package: str) -> Check:
    return Check(area, name, "lacking", "not installed", f"apt-get install {package}")

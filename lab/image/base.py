"""The base of an image: Debian's packages, kernel and modules, and the Python libraries, built with mmdebstrap.

mmdebstrap makes the root filesystem; compose/image/build.sh, its last hook, does the rest there, so
that no right is needed but those that mmdebstrap finds for itself.
"""

from __future__ import annotations

import collections
import io
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lab.errors import HostCannot
from lab.image.cpio import Entry, archive
from lab.image.libraries import Library, library_archive
from lab.image.recipe import SUITE, Recipe

MIRROR = "http://deb.debian.org/debian"
MIRROR_VARIABLE = "VPNLAB_DEBIAN_MIRROR"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What nobody reads in the guest. It is a third of the files that dpkg would write.
LEFT_OUT = ("doc", "man", "info", "locale", "lintian", "zoneinfo", "bash-completion")
PROGRAMS = {  # program: Debian's package
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mkfs.erofs": "erofs-utils",
    "objcopy": "binutils",
    "setpriv": "util-linux",
    "tar": "tar",
    "xz": "xz-utils",
    "zstd": "zstd",
    "unshare": "util-linux",
}
TAIL_LINES = 12
STOP_DEADLINE_S = 20.0  # dpkg ends the package at hand first
# What mmdebstrap says of a step, and what we say.
STEPS = {
    "running apt-get update": "asking the mirror",
    "downloading packages": "downloading packages",
    "extracting archives": "unpacking the essential packages",
    "installing essential packages": "installing the essential packages",
    "installing remaining packages": "installing the other packages",
}
PHASE = "vpnlab-phase: "


def build_base(
    into: Path, key: str, recipe: Recipe, libraries: Iterable[Library], log: Path, progress: Callable[[str], None]
) -> None:
    """Fill the empty folder `into` with root.erofs, vmlinux, initramfs.base, compiler/ and manifest.json.

    The full output of the programs goes to `log`. Raises HostCannot.
    """
    libraries = tuple(libraries)
    check_host()
    began = time.monotonic()
    phases = _Phases(progress)
    given = into / "in.tar"
    given.write_bytes(_input_archive(recipe, libraries))
    out = into / "out"
    # Here root's temporary files go away with the folder when mmdebstrap is killed. Another user (as
    # which mmdebstrap works when it is not root) cannot be let in here.
    scratch = into / "scratch" if os.geteuid() == 0 else None
    for folder in (out, scratch):
        if folder:
            folder.mkdir(mode=0o755)
    environment = dict(os.environ) | ({"TMPDIR": str(scratch)} if scratch else {})
    stop = signal.SIGKILL if scratch else signal.SIGTERM
    command = contained(mmdebstrap_command(recipe, given, out, root=scratch is not None), stop)
    _run(command, stop, environment, log, phases)
    given.unlink()
    if scratch:
        shutil.rmtree(scratch)
    phases.enter("initramfs")
    versions = dict(line.split() for line in (out / "packages").read_text().splitlines())
    kernel_version = (out / "kernel-version").read_text().strip()
    (into / "initramfs.base").write_bytes(_initramfs(out))
    for name in ("root.erofs", "vmlinux", "compiler"):
        (out / name).rename(into / name)
    shutil.rmtree(out)
    manifest = {
        "key": key,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "suite": SUITE,
        "mirror": _mirror(),
        "kernel": kernel_version,
        "packages": versions,
        "libraries": {library.name: library.version for library in libraries},
        "size_bytes": {name: (into / name).stat().st_size for name in ("root.erofs", "vmlinux", "initramfs.base")},
        "duration_s": round(time.monotonic() - began, 1),
        "phases_s": phases.finish(),
    }
    (into / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def mmdebstrap_command(recipe: Recipe, given: Path, out: Path, *, root: bool) -> list[str]:
    """The argv that builds everything and leaves it in `out`; `given` is the tar that build.sh reads."""
    hooks = [
        'mkdir -p "$1/build/in"',
        f"tar-in {shlex.quote(str(given))} /build/in",
        recipe.build,
        # As root both are one file system and nothing is copied.
        f'mv "$1"/build/out/* {shlex.quote(str(out))}' if root else f"sync-out /build/out {shlex.quote(str(out))}",
    ]
    return [
        "mmdebstrap",
        f"--mode={'root' if root else 'unshare'}",
        "--variant=essential",
        "--format=null",
        "--architectures=amd64",
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT),
        f"--include={','.join(recipe.packages)}",
        *(f"--customize-hook={hook}" for hook in hooks),
        SUITE,
        "/dev/null",
        _mirror(),
    ]


def contained(command: list[str], stop: signal.Signals) -> list[str]:
    """`command`, so that it gets `stop` when its caller dies, however that dies.

    With SIGKILL it runs in mount and process namespaces of its own: its mounts, of which mmdebstrap makes many, are
    never seen outside, and all that it started dies with it. An ordinary user's mmdebstrap makes such namespaces
    itself.
    """
    tied = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG")]
    if stop is signal.SIGKILL:
        tied += ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child=KILL"]
    return [*tied, *command]


def check_host() -> None:
    """Raises HostCannot with all that this host lacks to build an image."""
    if platform.machine() != "x86_64":
        raise HostCannot(f"images are built on x86-64 hosts; this one is {platform.machine()}", mend="use another host")
    lacking = {package for program, package in PROGRAMS.items() if which(program) is None}
    if not KEYRING.exists():
        lacking.add("debian-archive-keyring")
    if os.geteuid() != 0 and which("newuidmap") is None:
        lacking.add("uidmap")
    if lacking:
        packages = " ".join(sorted(lacking))
        raise HostCannot(
            f"programs to build the guest's image are missing: {packages}", mend=f"apt-get install {packages}"
        )
    if os.geteuid() != 0:
        _check_subordinate_ids()


def which(program: str) -> str | None:
    """The program's path; an ordinary user's PATH often lacks the sbin folders."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")


def _check_subordinate_ids() -> None:
    import getpass  # noqa: PLC0415 - only for this message, which few users see

    user = getpass.getuser()
    for file in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = file.read_text().splitlines() if file.exists() else []
        if not any(line.split(":")[0] in (user, str(os.getuid())) for line in lines):
            raise HostCannot(
                f"{user} has no range in {file}; building the image as an ordinary user needs one",
                mend=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
            )


def _mirror() -> str:
    return os.environ.get(MIRROR_VARIABLE) or MIRROR


def _input_archive(recipe: Recipe, libraries: Iterable[Library]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in (
            ("modules.txt", recipe.modules.encode()),
            ("libraries.tar", library_archive(libraries)),
            ("gathered.py", recipe.gathered.encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _initramfs(out: Path) -> bytes:
    files = {"bin/busybox": Entry((out / "busybox").read_bytes(), 0o755)}
    files |= {f"modules/{path.name}": Entry(path.read_bytes()) for path in (out / "boot").iterdir()}
    return archive(files)


@dataclass(slots=True)
class _Phases:
    progress: Callable[[str], None]
    durations: dict[str, float] = field(default_factory=dict)
    current: tuple[str, float] | None = None

    def enter(self, name: str) -> None:
        self.finish()
        self.current = (name, time.monotonic())
        self.progress(f"image: {name}")

    def finish(self) -> Mapping[str, float]:
        if self.current:
            name, since = self.current
            self.durations[name] = round(self.durations.get(name, 0.0) + time.monotonic() - since, 1)
        self.current = None
        return self.durations


def _run(command: list[str], stop: signal.Signals, environment: Mapping[str, str], log: Path, phases: _Phases) -> None:
    tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
    path = f"{environment.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    with (
        log.open("w") as record,
        subprocess.Popen(
            [which(command[0]) or command[0], *command[1:]],
            env={**environment, "PATH": path, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - asked for above
        try:
            for line in process.stdout:
                record.write(line)
                record.flush()
                tail.append(line.rstrip())
                name = phase_of(line)
                if name:
                    phases.enter(name)
        except BaseException:
            # Interrupted. Where its end is not the end of all that it started, mmdebstrap has to tidy up.
            process.send_signal(stop)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=STOP_DEADLINE_S)
            process.kill()
            raise
    if process.returncode:
        raise failure(process.returncode, tuple(tail), log)


def phase_of(line: str) -> str | None:
    """The phase that a line of the build's output begins, None when it begins none."""
    if line.startswith(PHASE):
        return line.removeprefix(PHASE).strip()
    if line.startswith("I: "):
        return next((ours for theirs, ours in STEPS.items() if theirs in line), None)
    return None


def failure(code: int, tail: tuple[str, ...], log: Path) -> HostCannot:
    """What a build that ended with `code` says to the user."""
    said = "\n".join(tail)
    mend = f"read {log}"
    if any(
        sign in said for sign in ("resolving", "Could not connect", "Failed to fetch", "Unable to fetch", "timed out")
    ):
        mend = f"check that {_mirror()} can be reached, or name a mirror in {MIRROR_VARIABLE}; all output: {log}"
    elif "NO_PUBKEY" in said or "is not signed" in said:
        mend = f"apt-get install debian-archive-keyring (the host's is too old for {SUITE}); all output: {log}"
    elif "No space left" in said:
        mend = f"free about 1 GB there; all output: {log}"
    elif "unshare" in said or "user namespace" in said:
        mend = f"allow user namespaces (sysctl kernel.unprivileged_userns_clone=1) or build as root; all output: {log}"
    shown = "\n".join(f"    | {line}" for line in tail)
    return HostCannot(f"building the guest's image failed: mmdebstrap ended with code {code}\n{shown}", mend=mend)

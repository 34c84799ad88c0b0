"""Linux network namespaces by name, where `ip netns` keeps them, and what runs inside them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NETNS_DIRECTORY = Path("/run/netns")  # where iproute2 keeps named network namespaces

CLONE_NEWNS = 0x00020000  # linux/sched.h
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000  # linux/mount.h
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def unshare(flags: int) -> None:
    """unshare(2) for this process; `os.unshare` exists from Python 3.12 only."""
    _call("unshare", flags)


def setns(fileno: int, flags: int) -> None:
    """setns(2) for this process; `os.setns` exists from Python 3.12 only."""
    _call("setns", fileno, flags)


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    """mount(2) without options."""
    _call("mount", source.encode(), target.encode(), kind.encode() if kind else None, flags, None)


def unmount(target: str) -> None:
    """umount2(2), lazily: what is still open stays alive for those who hold it."""
    _call("umount2", target.encode(), MNT_DETACH)


def process_control(option: int, value: int) -> None:
    """prctl(2) for this process, with one argument."""
    _call("prctl", option, value, 0, 0, 0)


def create(name: str) -> None:
    """Make a named network namespace; the caller stays where it is. FileExistsError when the name is taken."""
    NETNS_DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    path = NETNS_DIRECTORY / name
    path.touch(mode=0o000, exist_ok=False)
    with _returning_home():
        unshare(CLONE_NEWNET)
        mount("/proc/self/ns/net", str(path), None, MS_BIND)


def enter(name: str) -> None:
    """Move this process into a named network namespace. FileNotFoundError when there is none."""
    enter_file(NETNS_DIRECTORY / name)


def enter_file(path: Path) -> None:
    """Move this process into the network namespace that a file stands for. FileNotFoundError when there is none."""
    fileno = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fileno, CLONE_NEWNET)
    finally:
        os.close(fileno)


def call_in(path: Path, function: Callable[[], None]) -> int:
    """Run `function` in a network namespace, in a child process; the child's exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            enter_file(path)
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def visiting(name: str) -> Iterator[None]:
    """Be in a named network namespace while the block runs. FileNotFoundError when there is none."""
    with _returning_home():
        enter(name)
        yield


def enter_fully(name: str, hostname: str) -> None:
    """Move this process into a named network namespace with a mount and UTS namespace of its own.

    /sys then shows the node's interfaces and the prompt its name, as a user expects who looks around in a node.
    """
    enter(name)
    unshare(CLONE_NEWNS | CLONE_NEWUTS)
    mount("none", "/", None, MS_SLAVE | MS_REC)
    mount("sysfs", "/sys", "sysfs", 0)
    encoded = hostname.encode()
    _call("sethostname", encoded, len(encoded))


def delete(name: str) -> None:
    """Remove a named network namespace; a name that is gone already is fine."""
    path = NETNS_DIRECTORY / name
    try:
        unmount(str(path))
    except OSError:  # the name is there but nothing is mounted on it: half of an interrupted create
        if not path.exists():
            return
    path.unlink(missing_ok=True)


def names(prefix: str) -> tuple[str, ...]:
    """The named network namespaces whose name begins with `prefix`."""
    try:
        return tuple(sorted(path.name for path in NETNS_DIRECTORY.iterdir() if path.name.startswith(prefix)))
    except FileNotFoundError:
        return ()


def processes(name: str) -> tuple[int, ...]:
    """The processes that are in a named network namespace now."""
    try:
        inode = (NETNS_DIRECTORY / name).stat().st_ino
    except FileNotFoundError:
        return ()
    return tuple(pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _network_of(pid) == inode)


def _network_of(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:  # the process is gone, or belongs to somebody else
        return None


@contextmanager
def _returning_home() -> Iterator[None]:
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        setns(home, CLONE_NEWNET)
        os.close(home)

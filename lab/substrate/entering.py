"""Goes on inside a container's namespaces: what `docker exec` does, with the caller's session, terminal and signals."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from lab.substrate import namespaces

KINDS = (
    namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC | namespaces.CLONE_NEWNET
    | namespaces.CLONE_NEWPID | namespaces.CLONE_NEWCGROUP
)  # fmt: skip
PR_CAPBSET_DROP = 24  # linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")


def go_on_in(pid: int) -> None:
    """Return in a child that is in all namespaces of process `pid`; the caller waits for that and ends like it.

    A process cannot move into another PID namespace, only its children can be born there. The one that waits ignores
    what ends a command: that is for the child, which is of the same session and process group, to heed.
    """
    kept, last = _capabilities(pid), int(LAST_CAPABILITY.read_text())
    pidfd = os.pidfd_open(pid)
    namespaces.setns(pidfd, KINDS)
    os.close(pidfd)
    child = os.fork()
    if child == 0:
        os.chdir("/")
        namespaces.process_control(PR_SET_NO_NEW_PRIVS, 1)
        for capability in range(last + 1):
            if not kept >> capability & 1:
                namespaces.process_control(PR_CAPBSET_DROP, capability)
        return
    _end_like(child)


def _capabilities(pid: int) -> int:
    """The capabilities of a process, as a mask: a command in a container has no more than its agent."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(dict(line.split(":") for line in lines)["CapBnd"], 16)


def _end_like(child: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)

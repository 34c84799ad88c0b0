"""The resident process of a guest whose nodes are containers: Docker first, then the lab process as in any guest.

The containers' image is built here, from the root filesystem that the guest itself runs on: no registry is asked. All
of it is in the snapshot, so that a lab only starts containers.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from lab.plan.containers import IMAGE
from lab.runtime.containers import CONTAINERS
from lab.runtime.guest import serve
from lab.substrate import namespaces
from lab.substrate.docker_daemon import reach

DATA = Path("/var/lib/docker")
DAEMON = ("dockerd", "--storage-driver=overlay2", "--bridge=none", "--iptables=false", "--ip6tables=false")
"""No network of Docker's own is needed: those of labs have no bridge, and none leads out of the guest."""
LOG = Path("/run/dockerd.log")
NOTIFY = Path("/run/dockerd.notify")
BASE = "vpnlab/base"
SOURCES = Path("/usr/lib/vpnlab")
NOT_IN_CONTAINERS = (
    "usr/lib/modules", "usr/lib/vpnlab", "usr/bin/docker*", "usr/sbin/docker*", "usr/bin/containerd*", "usr/bin/ctr",
    "usr/sbin/runc", "usr/libexec/docker",
)  # fmt: skip
"""What the guest's root filesystem has and a container's need not have."""
BUILD_S = 900
"""Seconds for one step of the build: it takes 30 s on an idle host without KVM."""


def main() -> None:
    """Make the containers' image, then serve."""
    start_daemon()
    import_base()
    build_image()
    serve(CONTAINERS)


def start_daemon() -> None:
    """Start dockerd, which outlives nobody in a guest, and return when it says that it is ready."""
    namespaces.mount("data", _made(DATA), "tmpfs", 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, LOG.open("ab") as log:
        notified.bind(str(NOTIFY))
        environment = os.environ | {"NOTIFY_SOCKET": str(NOTIFY)}
        subprocess.Popen(DAEMON, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                         start_new_session=True)  # fmt: skip
        while b"READY=1" not in notified.recv(4096).splitlines():
            continue


def import_base() -> None:
    """Make an image of this guest's root filesystem."""
    argv = ["tar", "-C", "/", "--one-file-system", *(f"--exclude=./{path}" for path in NOT_IN_CONTAINERS), "-c", "."]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as packing:
        assert packing.stdout is not None  # noqa: S101 - asked for above
        reach().api.import_image_from_stream(packing.stdout, repository=BASE)
    if packing.returncode != 0:
        raise RuntimeError(f"tar ended with code {packing.returncode}")


def build_image() -> None:
    """Build the nodes' image on it, by the project's Dockerfile."""
    reach().images.build(
        path=str(SOURCES), dockerfile="compose/Dockerfile", tag=IMAGE, buildargs={"BASE": BASE}, network_mode="none",
        rm=True, timeout=BUILD_S,
    )  # fmt: skip


def _made(path: Path) -> str:
    path.mkdir(parents=True, exist_ok=True)
    return str(path)


if __name__ == "__main__":
    main()

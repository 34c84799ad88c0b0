"""Whether containers of this host can be nodes, found by trying it in one."""

from __future__ import annotations

from lab.errors import HostCannot
from lab.plan.containers import CAPABILITIES, IMAGE
from lab.substrate.docker_daemon import in_words, reach

MAKE_XFRM_INTERFACE = ("ip", "link", "add", "x0", "type", "xfrm", "dev", "lo", "if_id", "1")


def try_docker() -> None:
    """Reach the daemon and have a container make an XFRM interface. Nothing is left. Raises HostCannot."""
    client = reach()
    with in_words("a container for a trial"):
        client.images.get(IMAGE)  # else it would be looked for in a registry
        container = client.containers.create(
            IMAGE, list(MAKE_XFRM_INTERFACE), network_mode="none", cap_drop=["ALL"],
            cap_add=list(CAPABILITIES), security_opt=["no-new-privileges"], read_only=True,
        )  # fmt: skip
        try:
            container.start()
            code = container.wait()["StatusCode"]
            said = container.logs().decode(errors="replace").strip() if code else ""  # not every daemon keeps logs
        finally:  # also after a start that failed, and an interrupt
            container.remove(force=True)
    if code:
        raise HostCannot(
            f"a container cannot make an XFRM interface: {said}",
            mend="load the module (modprobe xfrm_interface), or use --substrate microvm",
        )

"""The network namespace that a node alone lives in: that nobody else's IPsec is there, and how it is left.

An agent takes every SA, XFRM interface and route of its kind for its own, since in a lab its namespace is. So before
a node runs alone, on a host perhaps, it looks whether there is anything of the kind, and refuses to touch it. What it
changes is noted in a claim, by which the next run knows what a killed one left.
"""

from __future__ import annotations

import errno
import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from endpoint.errors import EndpointError
from endpoint.filters import Filters
from endpoint.interfaces import read_sysctl, set_sysctls
from endpoint.routes import BGP, STATIC, Origin, routes, set_routes
from endpoint.shaping import apply_shapers
from endpoint.source_routes import apply_source_routes
from endpoint.tables import apply_filters
from endpoint.xfrm import apply_xfrm_interfaces, flush_xfrm, observe_xfrm
from lab.errors import HostCannot
from lab.plan.model import NodePlan

CLAIM = "claim.json"
SO_NETNS_COOKIE = 71  # Linux 5.14, asm-generic/socket.h; Python has no name for it
IKE_PORTS = (500, 4500)  # RFC 7296 section 2, RFC 3948
END_THE_OTHER = (
    "end the other IKE daemon here (`ss -ulpn` names it; Debian's own: `systemctl disable --now strongswan`)"
)
SCRATCH = "vpnlab-scratch"
SCRATCH_IF_ID = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Claim:
    """A namespace that is ours: which one it is, and the sysctls that it had before, by path."""

    namespace: str
    sysctls: dict[str, str]


def take(directory: Path, plan: NodePlan) -> None:
    """Make this namespace the node's. Raises HostCannot where the kernel cannot, or where others' IPsec lives.

    What an earlier run left, having been killed, is taken over; its note of how things were before holds on.
    """
    claim, here = _read(directory), _namespace()
    before: Mapping[str, str] = {}
    if claim is not None and claim.namespace == here:
        before = claim.sysctls
    else:
        if plan.endpoint is not None:
            _refuse_taken_ports()  # first: another IKE daemon brings policies that would not say whose they are
        _refuse_others()
    if plan.endpoint is not None:
        _try_xfrm_interface()
    now = {name: read_sysctl(name) for name, _ in plan.sysctls}
    noted = {name: value for name, value in now.items() if value is not None} | dict(before)
    path = directory / CLAIM
    path.write_text(json.dumps(asdict(Claim(here, noted))))
    path.chmod(0o600)


def leave(directory: Path) -> tuple[str, ...]:
    """Remove what a node made here and put the sysctls back; what could not be, in words. The node has ended."""
    claim = _read(directory)
    before = claim.sysctls if claim is not None else {}
    steps: tuple[Callable[[], object], ...] = (
        lambda: _remove_routes(BGP),
        lambda: _remove_routes(STATIC),
        lambda: apply_source_routes(()),
        lambda: apply_shapers({}),
        lambda: apply_xfrm_interfaces(()),
        flush_xfrm,
        lambda: apply_filters(Filters()),
        lambda: set_sysctls(before),
    )
    left = tuple(_failures(steps))
    if not left:
        (directory / CLAIM).unlink(missing_ok=True)
    return left


def _failures(steps: tuple[Callable[[], object], ...]) -> Iterator[str]:
    for step in steps:
        try:
            step()
        except (EndpointError, OSError, NetlinkError) as error:
            yield str(error)


def _remove_routes(origin: Origin) -> None:
    failed = set_routes({}, origin).failed
    if failed:
        raise EndpointError(f"routes not removed: {', '.join(map(str, failed))}", mend="see `ip route`")


def _read(directory: Path) -> Claim | None:
    try:
        return Claim(**json.loads((directory / CLAIM).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _namespace() -> str:
    """This network namespace, told apart from all others that ever were: an inode's number is used again.

    Raises HostCannot on a kernel before 5.14.
    """
    with socket.socket() as here:
        try:
            cookie = here.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        except OSError as error:
            raise HostCannot(
                f"this kernel does not tell network namespaces apart: {error.strerror}", mend="use Linux 5.14 or later"
            ) from error
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{int.from_bytes(cookie, sys.byteorder)}"


def _refuse_others() -> None:
    found = list(observe_xfrm())
    for origin, kind in ((BGP, "BGP"), (STATIC, "static")):
        learned = routes(origin)
        found += [f"{len(learned)} {kind} routes of metric {origin.metric}"] if learned else []
    if found:
        raise HostCannot(
            f"this network namespace has IPsec or routes of somebody else: {', '.join(found)}",
            mend="end what made them, or run the endpoint in a container or a network namespace of its own",
        )


def _refuse_taken_ports() -> None:
    for port in IKE_PORTS:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("0.0.0.0", port))  # noqa: S104 - charon listens there
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                raise HostCannot(
                    f"UDP port {port}: {error.strerror}",
                    mend=END_THE_OTHER if taken else "run as root",
                ) from error


def _try_xfrm_interface() -> None:
    try:
        with IPRoute() as netlink:
            netlink.link("add", ifname=SCRATCH, kind="xfrm", xfrm_if_id=SCRATCH_IF_ID)
            netlink.link("del", index=netlink.link_lookup(ifname=SCRATCH)[0])
    except NetlinkError as error:
        raise HostCannot(
            f"no XFRM interface can be made here: {error.args[-1]}",
            mend="run as root with NET_ADMIN, on a kernel with xfrm_interface (`modprobe xfrm_interface`)",
        ) from error

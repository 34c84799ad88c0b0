"""What agents do first, done once in scratch namespaces by the process that they are forked from.

The first use of much costs more than all that follow: pyroute2 compiles its messages, the kernel looks for modules
and puts algorithms together, files are read from the disk. Each forked agent would pay for that itself.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from endpoint.crypto import instantiate_algorithms
from endpoint.daemon import CHARON, PLUGIN_DIRECTORY
from endpoint.filters import Filters
from endpoint.interfaces import apply_interfaces, observe_interfaces
from endpoint.metering import Pair
from endpoint.plan import InterfacePlan, NatPlan, NextHop, SourceRoute, TunnelPlan
from endpoint.routes import BGP, STATIC, routes, set_routes
from endpoint.shaping import apply_shapers
from endpoint.source_routes import apply_source_routes
from endpoint.tables import apply_filters, counters
from endpoint.xfrm import apply_xfrm_interfaces, flush_xfrm
from lab.plan.model import LinkEnd, LinkPlan
from lab.runtime.pin import pinned
from lab.substrate import namespaces
from lab.substrate.netns import Netns, namespace_name

LAB = "rehearsal"
LINK = LinkPlan(LinkEnd("left", "port", "02:76:00:00:00:01"), LinkEnd("right", "port", "02:76:00:00:00:02"))
ADDRESS, PEER = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
PORT = InterfacePlan("wan", LINK.a.mac, (IPv4Interface(ADDRESS),), mtu=1400)
TUNNEL = TunnelPlan(
    name=LAB, interface="xfrm1", if_id=1, local_address=ADDRESS, remote_address=PEER, local_id="a", remote_id="b",
    inner=IPv4Interface("169.254.10.1/30"), peer_inner=IPv4Address("169.254.10.2"), inner_mtu=1300, initiate=False,
)  # fmt: skip
FILTERS = Filters(
    isolated=frozenset((TUNNEL.interface,)), clamps_mss=True,
    nat=(NatPlan(PORT.name, ADDRESS, PEER, forwards_ike=True),), metered={LAB: Pair(ADDRESS, PEER)},
)  # fmt: skip
ROUTES = {IPv4Network("198.51.100.0/24"): (NextHop("xfrm1"), NextHop("wan"))}
DISCARD = 9  # RFC 863
LIBRARIES = Path("/usr/lib/ipsec")
PROGRAMS = (CHARON, Path("/usr/bin/setpriv"), Path("/usr/bin/ping"))


def rehearse() -> None:
    """Make two nodes with all that nodes have, look at them, and remove them. Starts no daemon and keeps no key."""
    read((*PROGRAMS, *LIBRARIES.glob("*.so.0"), *PLUGIN_DIRECTORY.glob("*.so")))
    substrate = Netns(LAB)
    for node in (LINK.a.node, LINK.b.node):
        substrate.create_node(node)
    substrate.create_link(LINK)
    with namespaces.visiting(namespace_name(LAB, LINK.a.node)):
        instantiate_algorithms()
        flush_xfrm()
        apply_interfaces((PORT,))
        apply_source_routes((SourceRoute(ADDRESS, PORT.name),))
        apply_filters(FILTERS)
        counters()
        apply_xfrm_interfaces((TUNNEL,))
        set_routes(ROUTES, STATIC)
        set_routes({}, BGP)
        routes(STATIC)
        observe_interfaces()
        apply_shapers({"lo": 1_000_000})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
            anything.sendto(b"", ("127.0.0.1", DISCARD))  # the first packet in fair queues makes their secret
        with pinned(TUNNEL.interface, ADDRESS, PEER):
            pass
    substrate.destroy()


def read(files: Iterable[Path]) -> None:
    """Have the kernel keep files in its page cache, those that are there."""
    for file in files:
        with suppress(OSError):
            file.read_bytes()

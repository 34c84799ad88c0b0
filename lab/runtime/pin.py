"""Leads the ICMP of one pair of hosts into one interface, by a policy rule and a table of its own."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

from endpoint.policy import add_rule, delete_default_route, delete_rule, replace_default_route
from endpoint.rtnetlink import Netlink

TABLE = 7001  # chosen: outside the tables that the kernel and iproute2 name
PRIORITY = 7001  # chosen: before the main table's 32766

ICMP = 1  # IANA protocol number


@contextmanager
def pinned(interface: str, source: IPv4Address, destination: IPv4Address) -> Iterator[None]:
    """Lead ICMP from `source` to `destination` into `interface` of this namespace, while the block runs.

    Raises OSError. What another pin that was killed has left here is taken away first.
    """
    route = replace_default_route(TABLE, socket.if_nametoindex(interface))
    rule = add_rule(PRIORITY, TABLE, source=source, destination=destination, ip_protocol=ICMP)
    with Netlink() as kernel:
        unpin(kernel)
        try:
            for error in kernel.request([route, rule]):
                if error:
                    raise OSError(error, os.strerror(error))
            yield
        finally:
            unpin(kernel)


def unpin(kernel: Netlink) -> None:
    """Take away every pin in the namespace of `kernel`."""
    for request in (delete_rule(PRIORITY, TABLE), delete_default_route(TABLE)):
        while (error := kernel.request([request])[0]) == 0:
            continue
        if error not in (errno.ENOENT, errno.ESRCH):
            raise OSError(error, os.strerror(error))

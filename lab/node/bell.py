"""Rings when an interface of this namespace changes. What changed is for the agent to look up."""

from __future__ import annotations

import socket

RTMGRP_LINK = 1  # linux/rtnetlink.h
RTMGRP_IPV4_IFADDR = 0x10


class LinkBell:
    """A netlink socket that becomes readable when a link or an IPv4 address of this network namespace changes."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._socket.fileno()

    def silence(self) -> None:
        """Take everything that has rung so far; an overflow of the socket is a ring as well."""
        while True:
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: messages were lost, and the agent looks afresh anyway
                continue

    def close(self) -> None:
        """Ring no more."""
        self._socket.close()

"""Pings that may not be fragmented, and what nodes learn from them."""

from __future__ import annotations

ICMP = 28  # bytes of headers before a ping's data


def ping(lab, node, target, size):
    """One ping that may not be fragmented, `size` bytes long with its headers."""
    return lab.exec(node, ["ping", "-n", "-c", "1", "-W", "5", "-M", "do", "-s", str(size - ICMP), target])


def forget(lab, node):
    """The path MTUs that a node has learned."""
    assert lab.exec(node, ["ip", "route", "flush", "cache"]).returncode == 0

"""What the kernel of a gateway does to its routes, and when: read from ip(8), which monitors it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network

MONITOR = ("env", "TZ=UTC", "ip", "-4", "-oneline", "-tshort", "monitor", "route")
"""The command whose lines are read here; its times are those at which it hears of a change."""

_LINE = re.compile(r"\[(?P<at>[0-9T:.-]+)\] (?P<deleted>Deleted )?(?P<prefix>default|[0-9./]+) (?P<rest>.*)")
_FORWARDING = re.compile(r"(?!.*\btable\b).*\bproto (bgp|static|186|4)\b")  # other tables are those of source routes
_INTERFACE = re.compile(r"\bdev (\S+)")


@dataclass(frozen=True, slots=True)
class RouteChange:
    """A route as it was from `at` on (Unix, seconds): the interfaces that it led to, none when it was taken away."""

    node: str
    at: float
    destination: IPv4Network
    interfaces: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.destination} over {' and '.join(self.interfaces) or 'nothing'}"


def route_change(node: str, line: str) -> RouteChange | None:
    """The change that a line tells of; None for the routes of a node's own addresses, and for anything else."""
    match = _LINE.match(line)
    if match is None or not _FORWARDING.match(match["rest"]):
        return None
    at = datetime.fromisoformat(match["at"]).replace(tzinfo=UTC).timestamp()
    prefix = "0.0.0.0/0" if match["prefix"] == "default" else match["prefix"]
    interfaces = () if match["deleted"] else tuple(_INTERFACE.findall(match["rest"]))
    return RouteChange(node, at, IPv4Network(prefix), interfaces)

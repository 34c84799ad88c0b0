"""What engines and the kernel refuse a node, part by part, until they take it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2.netlink.exceptions import NetlinkError

from endpoint.errors import EndpointError


class Problems:
    """The latest refusal of each part of a node; a part that succeeds has none."""

    def __init__(self) -> None:
        self._by_part: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._by_part)

    @contextmanager
    def noted(self, part: str) -> Iterator[None]:
        """Note what is refused within, as the problem of `part`; the agent lives and tries again."""
        try:
            yield
        except (EndpointError, OSError, NetlinkError) as error:
            self._by_part[part] = str(error)
        else:
            self._by_part.pop(part, None)

    def listed(self) -> tuple[str, ...]:
        """Each part that has a problem, with what was said."""
        return tuple(f"{part}: {text}" for part, text in sorted(self._by_part.items()))

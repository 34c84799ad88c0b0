"""What the neighbors have announced and what of it is accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import count, islice

from bgp.decision import best_paths
from bgp.path import Path

# Chosen: prefixes of one neighbor that are remembered, as a multiple of the limit on accepted ones.
# What was refused for want of room can so be taken in when room appears; what lies beyond is not
# kept, whatever a peer sends.
KEPT_PER_ACCEPTED = 10

# Chosen: the same bound for refused prefixes where no limit is set.
KEPT_REFUSED_WITHOUT_LIMIT = 3000


@dataclass(slots=True)
class AdjRibIn:
    """What one neighbor has announced in this session.

    `valid` passed the import policy and holds the order of arrival; a replaced path keeps its place.
    `refused` did not pass. `dropped` counts announcements that were not kept for want of memory.
    """

    valid: dict[IPv4Network, tuple[int, Path]] = field(default_factory=dict)
    refused: dict[IPv4Network, str] = field(default_factory=dict)
    dropped: int = 0
    complete: bool = False

    def __len__(self) -> int:
        return len(self.valid) + len(self.refused)


class Rib:
    """The Adj-RIB-In of every neighbor, and what is chosen from them.

    At most `limit` paths are accepted over all neighbors, the first that came; None lifts the limit. A path
    that is over the limit waits, and is accepted when one before it goes away.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._arrivals = count()
        self._neighbors: dict[str, AdjRibIn] = {}
        self._accepted: dict[str, dict[IPv4Network, Path]] | None = None
        self._best: dict[IPv4Network, tuple[Path, ...]] | None = None

    def set_limit(self, limit: int | None) -> None:
        """Change the most paths that are accepted."""
        if limit != self.limit:
            self.limit = limit
            self._changed()

    def announce(self, path: Path, prefix: IPv4Network, refusal: str | None) -> None:
        """Take an announcement; it replaces what the neighbor announced before for this prefix.

        `refusal` is the import policy's reason, None when it has none.
        """
        table = self._neighbors.setdefault(path.neighbor, AdjRibIn())
        if prefix not in table.valid and prefix not in table.refused and self._full(table, refusal):
            table.dropped += 1
            return
        if refusal is not None:
            table.valid.pop(prefix, None)
            table.refused[prefix] = refusal
        else:
            table.refused.pop(prefix, None)
            known = table.valid.get(prefix)
            table.valid[prefix] = (known[0] if known else next(self._arrivals), path)
        self._changed()

    def withdraw(self, neighbor: str, prefix: IPv4Network) -> None:
        """Forget a prefix; one that was never announced is no error (RFC 4271 section 3.1)."""
        if table := self._neighbors.get(neighbor):
            table.valid.pop(prefix, None)
            table.refused.pop(prefix, None)
            self._changed()

    def end_of_rib(self, neighbor: str) -> None:
        """The neighbor has sent its whole table."""
        self._neighbors.setdefault(neighbor, AdjRibIn()).complete = True

    def clear(self, neighbor: str) -> None:
        """The session is gone, and with it all that came over it."""
        if self._neighbors.pop(neighbor, None):
            self._changed()

    def complete(self, neighbor: str) -> bool:
        """Whether the neighbor has sent its whole table in this session."""
        table = self._neighbors.get(neighbor)
        return table is not None and table.complete

    def accepted(self, neighbor: str) -> Mapping[IPv4Network, Path]:
        """What is taken from this neighbor."""
        return self._accept().get(neighbor, {})

    def refused(self, neighbor: str, most: int) -> tuple[tuple[IPv4Network, str], ...]:
        """Prefixes that are not taken from this neighbor, `most` of them, with the reason in words."""
        table = self._neighbors.get(neighbor)
        if table is None:
            return ()
        accepted = self.accepted(neighbor)
        over = (prefix for prefix in table.valid if prefix not in accepted) if len(accepted) < len(table.valid) else ()
        waiting = ((prefix, f"the limit of {self.limit} prefixes is reached") for prefix in over)
        return tuple(islice((*islice(table.refused.items(), most), *islice(waiting, most)), most))

    def refused_count(self, neighbor: str) -> int:
        """How many prefixes are not taken, with announcements that were not even kept."""
        table = self._neighbors.get(neighbor)
        return 0 if table is None else len(table) - len(self.accepted(neighbor)) + table.dropped

    def over_limit(self, neighbor: str) -> int:
        """How many prefixes of this neighbor wait for room under the limit."""
        table = self._neighbors.get(neighbor)
        return 0 if table is None else len(table.valid) - len(self.accepted(neighbor))

    def forgetful(self) -> tuple[str, ...]:
        """Neighbors of whose prefixes some were not kept although there would be room for them now.

        Only a new session can bring them back. A table that is still half full of what is refused
        does not count: a peer that goes on announcing nonsense would be asked again for ever.
        """
        if self.limit is None or sum(len(paths) for paths in self._accept().values()) >= self.limit:
            return ()
        half = KEPT_PER_ACCEPTED * self.limit // 2
        return tuple(name for name, table in self._neighbors.items() if table.dropped and len(table) <= half)

    def best(self) -> Mapping[IPv4Network, tuple[Path, ...]]:
        """For every accepted prefix the paths that are used; several are ECMP."""
        if self._best is None:
            candidates: dict[IPv4Network, list[Path]] = {}
            for paths in self._accept().values():
                for prefix, path in paths.items():
                    candidates.setdefault(prefix, []).append(path)
            self._best = {prefix: best_paths(paths) for prefix, paths in candidates.items()}
        return self._best

    def _full(self, table: AdjRibIn, refusal: str | None) -> bool:
        if self.limit is not None:
            return len(table) >= KEPT_PER_ACCEPTED * self.limit
        return refusal is not None and len(table.refused) >= KEPT_REFUSED_WITHOUT_LIMIT

    def _accept(self) -> dict[str, dict[IPv4Network, Path]]:
        if self._accepted is None:
            arrived: Iterable[tuple[int, IPv4Network, Path]] = (
                (arrival, prefix, path)
                for table in self._neighbors.values()
                for prefix, (arrival, path) in table.valid.items()
            )
            if self.limit is not None:
                arrived = islice(sorted(arrived, key=lambda item: item[0]), self.limit)
            self._accepted = {}
            for _, prefix, path in arrived:
                self._accepted.setdefault(path.neighbor, {})[prefix] = path
        return self._accepted

    def _changed(self) -> None:
        self._accepted = None
        self._best = None

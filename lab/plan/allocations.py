"""The numbers that a lab was given, so that what stays in it keeps its own. Pure.

Each kind of number is a series ("tunnel", "link", "inner", ...), each thing in it is called by what makes it the one
that it is, never by its place in the file. A thing that is known keeps its number; a new one gets the least that is
neither given nor remembered, so that in one step nothing inherits what another thing leaves.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count


@dataclass(frozen=True, slots=True)
class Allocations:
    """Numbers by series and thing. Addresses and networks count as the numbers that they are."""

    series: dict[str, dict[str, int]] = field(default_factory=dict)


class Numbering:
    """Gives numbers while a plan is made, beginning with those of an earlier one."""

    def __init__(self, kept: Allocations | None = None) -> None:
        self._kept: Mapping[str, Mapping[str, int]] = kept.series if kept else {}
        self._given: dict[str, dict[str, int]] = {}
        self._pools: dict[str, Iterator[int]] = {}
        self._used: dict[str, set[int]] = {}

    def take(
        self, series: str, thing: str, pool: Iterable[int] | None = None, avoid: Container[int] = frozenset()
    ) -> int:
        """The number of a thing: the one it had, else the next of the pool (1, 2, ...) that is free.

        A series has the same pool each time. Numbers to `avoid` are given to nobody here; a thing that had one of them
        gets another. Raises ValueError when the pool is empty.
        """
        given = self._given.setdefault(series, {})
        if thing in given:
            return given[thing]
        kept = self._kept.get(series, {}).get(thing)
        if kept is None or kept in avoid:
            used = self._used.setdefault(series, set(self._kept.get(series, {}).values()))
            left = self._pools.setdefault(series, iter(count(1) if pool is None else pool))
            kept = next((number for number in left if number not in used and number not in avoid), None)
            if kept is None:
                raise ValueError(f"no {series} is left for {thing}")
        given[thing] = kept
        return kept

    def follow(self, series: str, thing: str) -> int:
        """The place of a thing in order of arrival: the one it had, else behind all that have or had one."""
        given, kept = self._given.setdefault(series, {}), self._kept.get(series, {})
        place = given.get(thing, kept.get(thing))
        if place is None:
            place = 1 + max((*given.values(), *kept.values()), default=0)
        given[thing] = place
        return place

    def keep(self, series: str, thing: str, number: int) -> int:
        """The number that the thing had, or else this one, whoever else may have it."""
        kept = self._kept.get(series, {}).get(thing, number)
        return self.write(series, thing, kept)

    def write(self, series: str, thing: str, number: int) -> int:
        """Give a thing the number that the file says."""
        self._given.setdefault(series, {})[thing] = number
        return number

    def allocations(self) -> Allocations:
        """What was given: things that were not asked for are forgotten."""
        return Allocations(self._given)

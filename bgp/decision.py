"""Which of the accepted paths to one prefix are used."""

from __future__ import annotations

from collections.abc import Iterable

from bgp.path import Path


def best_paths(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths to use for one prefix; several of them share the traffic (ECMP).

    The cloud compares nothing but the length of the AS_PATH: MED and origin do not break ties, they
    leave ECMP. The order is that of the neighbors' names, so that equal input gives equal output.
    """
    candidates = tuple(paths)
    if len(candidates) == 1:
        return candidates
    for prefer in (shortest_as_path,):
        candidates = prefer(candidates)
    return tuple(sorted(candidates, key=lambda path: path.neighbor))


def shortest_as_path(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """RFC 4271 section 9.1.2.2 a."""
    shortest = min((len(path.as_path) for path in paths), default=0)
    return tuple(path for path in paths if len(path.as_path) == shortest)

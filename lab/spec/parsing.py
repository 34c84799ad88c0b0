"""From the bytes of a file to a spec of its kind that keeps every rule, or to every problem at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from pydantic import BaseModel

from lab.errors import Problem, SpecError
from lab.spec.shape import fit, fit_rest
from lab.spec.tree import Node, parse_tree
from lab.spec.wording import Finding, dotted

MAX_PROBLEMS = 100  # ours: nobody mends more at a time

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Kind(Generic[S]):
    """A kind of file: the model of its values, the rules between them, and how one begins that is empty."""

    model: type[S]
    broken_rules: Callable[[S], Iterable[Finding]]
    mend_empty: str


def parse(data: bytes, file: str, kind: Kind[S]) -> S:
    """The spec in `data`; `file` is what messages call it. Raises SpecError."""
    tree = parse_tree(data, file)
    if tree is None or tree.plain is None:
        raise SpecError((Problem("", "is empty", "what is built is what the file says", kind.mend_empty, file),))
    spec, wrong_shapes = fit(tree.plain, kind.model)
    findings: Iterable[Finding] = wrong_shapes
    if spec is not None:
        findings = kind.broken_rules(spec)
    elif len(wrong_shapes) < MAX_PROBLEMS:
        findings = [*wrong_shapes, *_beyond_shape(tree, wrong_shapes, kind)]
    problems = tuple(islice(_problems(findings, tree, file), MAX_PROBLEMS + 1))
    if len(problems) > MAX_PROBLEMS:
        more = Problem("", "has more problems", f"only the first {MAX_PROBLEMS} are shown", "mend these first", file)
        problems = (*problems[:MAX_PROBLEMS], more)
    if problems or spec is None:
        raise SpecError(problems)
    return spec


def _beyond_shape(tree: Node, wrong_shapes: list[Finding], kind: Kind[S]) -> Iterator[Finding]:
    """The rules that are broken whatever the misshapen values were meant to be."""
    spec, lost = fit_rest(tree.plain, wrong_shapes, kind.model)
    if spec is not None:
        for finding in kind.broken_rules(spec):
            if not any(finding.path[: len(path)] == path for path in lost):
                yield finding


def _problems(findings: Iterable[Finding], tree: Node, file: str) -> Iterator[Problem]:
    for item in findings:
        yield Problem(dotted(item.path), item.what, item.why, item.mend, file, tree.line_of(item.path))

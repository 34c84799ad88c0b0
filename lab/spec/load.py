"""Where the topology comes from, and from its bytes to a LabSpec that keeps every rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

from lab.errors import Problem, SpecError
from lab.spec.checks import broken_rules
from lab.spec.model import LabSpec
from lab.spec.reading import SUFFIX, read_file, read_stream, shown_file, topologies_in, unreadable
from lab.spec.shape import fit, fit_rest
from lab.spec.tree import Node, parse_tree
from lab.spec.wording import Finding, dotted, listed

REFERENCE = Path(__file__).with_name("ha.vpnlab.yaml")
STDIN = "-"

MAX_PROBLEMS = 100  # ours: nobody mends more at a time


def load_topology(source: str | None, cwd: Path, stdin: IO[bytes]) -> LabSpec:
    """The lab that the user means.

    `source` is a file, a directory that holds exactly one *.vpnlab.yaml, "-" for standard input, or None: the only
    *.vpnlab.yaml in `cwd`, else the built-in reference. Raises SpecError with every problem found.
    """
    if source == STDIN:
        return parse_topology(read_stream(stdin, "stdin"), "stdin")
    if source is None:
        found = topologies_in(cwd)
        if not found:
            return reference()
        return _load(_only(found, "here"), _only(found, "here").name)
    path = cwd / source
    try:
        is_directory = path.is_dir()
    except (OSError, ValueError):
        is_directory = False  # opening it says what is wrong
    if is_directory:
        found = topologies_in(path)
        if not found:
            file = shown_file(Path(source))
            raise unreadable(file, f"is a directory without a *{SUFFIX}", "name a file, or add a topology to it")
        path = _only(found, f"in {shown_file(Path(source))}")
        source = str(Path(source) / path.name)
    return _load(path, source)


def reference() -> LabSpec:
    """The built-in lab: one connection, two tunnels, high availability."""
    return parse_topology(REFERENCE.read_bytes(), f"built-in {REFERENCE.name}")


def parse_topology(data: bytes, file: str) -> LabSpec:
    """The spec in the bytes of a topology; `file` is what messages call them. Raises SpecError."""
    tree = parse_tree(data, file)
    if tree is None or tree.plain is None:
        why = "the lab is built from what the topology file says"
        mend = "begin with `vpnlab: 1`; the built-in ha.vpnlab.yaml is an example to copy"
        raise SpecError((Problem("", "is empty", why, mend, file),))
    spec, wrong_shapes = fit(tree.plain)
    findings: Iterable[Finding] = wrong_shapes
    if spec is not None:
        findings = broken_rules(spec)
    elif len(wrong_shapes) < MAX_PROBLEMS:
        findings = [*wrong_shapes, *_beyond_shape(tree, wrong_shapes)]
    problems = tuple(islice(_problems(findings, tree, file), MAX_PROBLEMS + 1))
    if len(problems) > MAX_PROBLEMS:
        more = Problem("", "has more problems", f"only the first {MAX_PROBLEMS} are shown", "mend these first", file)
        problems = (*problems[:MAX_PROBLEMS], more)
    if problems or spec is None:
        raise SpecError(problems)
    return spec


def _beyond_shape(tree: Node, wrong_shapes: list[Finding]) -> Iterator[Finding]:
    """The rules that are broken whatever the misshapen values were meant to be."""
    spec, lost = fit_rest(tree.plain, wrong_shapes)
    if spec is not None:
        for finding in broken_rules(spec):
            if not any(finding.path[: len(path)] == path for path in lost):
                yield finding


def _problems(findings: Iterable[Finding], tree: Node, file: str) -> Iterator[Problem]:
    for item in findings:
        yield Problem(dotted(item.path), item.what, item.why, item.mend, file, tree.line_of(item.path))


def _only(found: tuple[Path, ...], where: str) -> Path:
    if len(found) > 1:
        names = listed(shown_file(Path(path.name)) for path in found)
        why = "a command is about one lab"
        raise SpecError((Problem("", f"{len(found)} topologies are {where}: {names}", why, "name one with -t"),))
    return found[0]


def _load(path: Path, source: str) -> LabSpec:
    file = shown_file(Path(source))
    return parse_topology(read_file(path, file), file)

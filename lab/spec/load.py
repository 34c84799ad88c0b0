"""Where the topology comes from, and from its bytes to a LabSpec that keeps every rule."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from lab.errors import Problem, SpecError
from lab.spec.checks import broken_rules
from lab.spec.model import LabSpec
from lab.spec.parsing import Kind, parse
from lab.spec.reading import SUFFIX, read_file, read_stream, shown_file, topologies_in, unreadable
from lab.spec.wording import listed

REFERENCE = Path(__file__).with_name("ha.vpnlab.yaml")
STDIN = "-"

TOPOLOGY = Kind(
    LabSpec, broken_rules, mend_empty="begin with `vpnlab: 1`; the built-in ha.vpnlab.yaml is an example to copy"
)


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
    return parse(data, file, TOPOLOGY)


def _only(found: tuple[Path, ...], where: str) -> Path:
    if len(found) > 1:
        names = listed(shown_file(Path(path.name)) for path in found)
        why = "a command is about one lab"
        raise SpecError((Problem("", f"{len(found)} topologies are {where}: {names}", why, "name one with -t"),))
    return found[0]


def _load(path: Path, source: str) -> LabSpec:
    file = shown_file(Path(source))
    return parse_topology(read_file(path, file, "check the name, or leave it out for the built-in lab"), file)

"""The topology that a command is about."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.cli.names import checked_name
from lab.spec.load import REFERENCE, STDIN, load_topology
from lab.spec.model import LabSpec
from lab.spec.reading import shown_file, topologies_in


def wanted_spec(topology: str | None, name: str | None) -> LabSpec:
    """The topology that the user means, under the name that the user gives."""
    spec = load_topology(topology, Path.cwd(), sys.stdin.buffer)
    return spec.model_copy(update={"name": checked_name(name)}) if name else spec


def shown_source(topology: str | None) -> str:
    """How messages call the source of the topology."""
    if topology == STDIN:
        return "stdin"
    folder = Path(topology) if topology else Path()
    found = topologies_in(folder) if folder.is_dir() else ()
    if found:
        return shown_file(found[0])
    return shown_file(Path(topology)) if topology else f"the built-in {REFERENCE.name}"

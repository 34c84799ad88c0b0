"""Which lab a command is about."""

from __future__ import annotations

import importlib

from lab.cli.names import checked_name
from lab.control import record


def wanted_name(topology: str | None, name: str | None) -> str:
    """The lab that the user means: by name, by file, or the only one that this host knows.

    Reading a topology takes a third of a second of imports, so it is done only when it decides.
    """
    if name:
        return checked_name(name)
    if topology is None:
        known = record.names()
        if len(known) == 1:
            return known[0]
    in_file: str = importlib.import_module("lab.cli.source").wanted_spec(topology, None).name
    return in_file

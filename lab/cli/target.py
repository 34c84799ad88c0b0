"""Which lab a command is about."""

from __future__ import annotations

import importlib
import re

from lab.control import record
from lab.errors import UsageError
from lab.spec.names import NAME_PATTERN


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


def checked_name(name: str) -> str:
    """A name that can be a lab's. Raises UsageError."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"{name!r} cannot be a lab's name", mend="use 1-32 of a-z 0-9 -, beginning with a letter")
    return name

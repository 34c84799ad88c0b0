"""What can be a lab's name."""

from __future__ import annotations

import re

from lab.errors import UsageError
from lab.spec.names import LAB_NAME_PATTERN


def checked_name(name: str) -> str:
    """A name that can be a lab's. Raises UsageError."""
    if not re.fullmatch(LAB_NAME_PATTERN, name):
        raise UsageError(f"{name!r} cannot be a lab's name", mend="use 1-32 of a-z 0-9 -, beginning with a letter")
    return name

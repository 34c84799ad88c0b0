"""Rich consoles for tables and for progress."""

from __future__ import annotations

import os
import sys

from rich.console import Console

WIDTH_IN_FILES = 120


def output() -> Console:
    """The console for data. In a file or a pipe its width is $COLUMNS, else WIDTH_IN_FILES."""
    fixed = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal() else WIDTH_IN_FILES
    return Console(width=fixed, highlight=False)


def errors() -> Console:
    """The console for everything else."""
    return Console(stderr=True, highlight=False)

"""Where output goes: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
from typing import Any

import click

OUTPUT_VERSION = 1
"""Of all JSON that the command prints; raised when a program that reads it has to change."""


def print_json(kind: str, **data: Any) -> None:  # noqa: ANN401 - JSON
    """Print a JSON object with its version."""
    click.echo(json.dumps({"version": OUTPUT_VERSION, "kind": kind, **data}, indent=2))


def print_json_line(kind: str, **data: Any) -> None:  # noqa: ANN401 - JSON
    """Print a JSON object with its version on one line: one of a stream."""
    click.echo(json.dumps({"version": OUTPUT_VERSION, "kind": kind, **data}, separators=(",", ":")))


def say(text: str) -> None:
    """Tell the user something that is not the data asked for."""
    click.echo(text, err=True)

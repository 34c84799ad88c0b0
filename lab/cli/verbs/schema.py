"""`vpnlab schema`."""

from __future__ import annotations

import json

import click

from lab.cli import options
from lab.spec.schema import json_schema


@click.command("schema")
@options.verbose
def command() -> None:
    """Print the JSON Schema of topology files, for editors."""
    click.echo(json.dumps(json_schema(), indent=2))

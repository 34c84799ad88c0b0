"""`vpnlab schema`."""

from __future__ import annotations

import json

import click

from lab.cli import options
from lab.spec.schema import endpoint_json_schema, json_schema


@click.command("schema")
@options.option("--endpoint", env="ENDPOINT", is_flag=True, help="That of endpoint files.")
@options.verbose
def command(*, endpoint: bool) -> None:
    """Print the JSON Schema of topology files, for editors."""
    click.echo(json.dumps(endpoint_json_schema() if endpoint else json_schema(), indent=2))

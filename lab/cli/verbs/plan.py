"""`vpnlab plan`."""

from __future__ import annotations

import json

import click

from lab.cli import options
from lab.cli.source import wanted_spec
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan


@click.command("plan")
@options.topology
@options.name
@options.verbose
def command(topology: str | None, name: str | None) -> None:
    """Print every number that is decided for a lab, as JSON.

    Addresses, interface identifiers, MAC addresses, routes and sessions; never a key.
    """
    click.echo(json.dumps(to_json(compile_plan(wanted_spec(topology, name))), indent=2))

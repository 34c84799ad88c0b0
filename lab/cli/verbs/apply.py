"""`vpnlab apply`."""

from __future__ import annotations

import click

from lab.cli import options
from lab.cli.changes import change
from lab.cli.source import wanted_spec


@click.command("apply")
@options.topology
@options.name
@options.option("--dry-run", env="DRY_RUN", is_flag=True, help="Only show what would be done.")
@options.timeout
@options.output_format
@options.verbose
def command(
    topology: str | None, name: str | None, *, dry_run: bool, timeout: float | None, output_format: str
) -> None:
    """Change a running lab to what a file says, and touch nothing else.

    Shows the steps in the cloud's words first. What the cloud refuses - a change of a tunnel that is enabled, a
    deletion out of order, a setting that is fixed - is named with its reason, exit code 1, and nothing is done.
    """
    spec = wanted_spec(topology, name)
    change(spec.name, lambda _: spec, dry_run=dry_run, timeout=timeout, output_format=output_format)

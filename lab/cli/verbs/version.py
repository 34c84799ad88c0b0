"""`vpnlab version`."""

from __future__ import annotations

import platform
from importlib.metadata import version

import click

from lab.cli import options
from lab.cli.output import print_json


@click.command("version")
@options.output_format
@options.verbose
def command(output_format: str) -> None:
    """Print the version."""
    ours, python = version("vpnlab"), platform.python_version()
    if output_format == "json":
        print_json("version", vpnlab=ours, python=python)
    else:
        click.echo(f"vpnlab {ours}")

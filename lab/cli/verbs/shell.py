"""`vpnlab shell`."""

from __future__ import annotations

import os

import click

from lab.cli import options
from lab.cli.nodes import run
from lab.cli.target import wanted_name
from lab.errors import UsageError


@click.command("shell")
@click.argument("node")
@options.of_running_lab
def command(topology: str | None, name: str | None, node: str) -> None:
    """Open a shell in a node.

    It ends with `exit` or Ctrl-D. For scripts there is `vpnlab exec`.
    """
    if not os.isatty(0):
        raise UsageError("the input is no terminal", mend="`vpnlab exec NODE -- COMMAND` runs a command without one")
    raise click.exceptions.Exit(run(wanted_name(topology, name), node, ["bash"], terminal=True))

"""`vpnlab exec`."""

from __future__ import annotations

import os

import click

from lab.cli import options
from lab.cli.nodes import run
from lab.cli.target import wanted_name
from lab.errors import UsageError


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@options.topology_long
@options.name
@options.option("-i", "--interactive", env="INTERACTIVE", is_flag=True,
                help="For habit's sake: input is always passed on.")  # fmt: skip
@options.option("-t", "--tty", env="TTY", is_flag=True, help="Give the command a terminal.")
@options.verbose
@click.argument("node")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND...", required=True)
def command(
    topology: str | None, name: str | None, node: str, words: tuple[str, ...], *, interactive: bool, tty: bool
) -> None:
    """Run a command in a node.

    Input, output, signals and exit code are passed through:

        vpnlab exec hq-gw -- ip -d link show xfrm1
    """
    del interactive
    argv = list(words[1:] if words[0] == "--" else words)
    if not argv:
        raise UsageError("there is no command after --", mend="vpnlab exec NODE -- COMMAND...")
    if tty and not os.isatty(0):
        raise UsageError("the input is no terminal", mend="leave -t out, or run it in a terminal")
    raise click.exceptions.Exit(run(wanted_name(topology, name), node, argv, terminal=tty))

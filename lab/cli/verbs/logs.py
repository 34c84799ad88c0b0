"""`vpnlab logs`."""

from __future__ import annotations

import click

from lab.cli import options
from lab.cli.nodes import NO_INPUT, run
from lab.cli.target import wanted_name
from lab.control.logs import LOGS, tail
from lab.control.status import known


@click.command("logs")
@click.argument("node")
@click.argument("log", required=False, type=click.Choice(LOGS))
@options.option("--follow", env="FOLLOW", is_flag=True, help="Go on showing what is written.")
@options.option("-n", "--lines", env="LINES", type=click.IntRange(min=0), default=100, show_default=True, metavar="N",
                help="Lines from the end of each log.")  # fmt: skip
@options.of_running_lab
def command(topology: str | None, name: str | None, node: str, log: str | None, *, follow: bool, lines: int) -> None:
    """Show the logs of a node's engines.

    charon does IKE, exabgp does BGP, agent drives both; all that the node has unless one is named. No key is in them.
    """
    lab = wanted_name(topology, name)
    _, plan = known(lab)
    code = run(lab, None, tail(plan, plan.node_called(node), log, follow=follow, lines=lines), streams=NO_INPUT)
    raise click.exceptions.Exit(code)

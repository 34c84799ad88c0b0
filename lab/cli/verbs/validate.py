"""`vpnlab validate`."""

from __future__ import annotations

from dataclasses import asdict

import click

from lab.cli import options
from lab.cli.output import print_json
from lab.cli.source import shown_source, wanted_spec
from lab.errors import SpecError
from lab.plan.compile import compile_plan


@click.command("validate")
@click.argument("file", required=False, metavar="[FILE]")
@options.topology
@options.output_format
@options.verbose
def command(file: str | None, topology: str | None, output_format: str) -> None:
    """Check a topology file and name every problem in it.

    Exit code 2 when there is one. Nothing is started.
    """
    source = file or topology
    try:
        spec = wanted_spec(source, None)
    except SpecError as error:
        if output_format == "json":
            print_json("validate", valid=False, problems=[asdict(problem) for problem in error.problems])
        raise
    plan = compile_plan(spec)
    if output_format == "json":
        print_json("validate", valid=True, problems=[], lab=plan.name, nodes=[node.name for node in plan.nodes],
                   tunnels=[pair.name for pair in plan.tunnels])  # fmt: skip
    else:
        click.echo(
            f"{shown_source(source)} is fine: lab {plan.name}, {len(plan.nodes)} nodes, {len(plan.tunnels)} tunnels"
        )

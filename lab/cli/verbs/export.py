"""`vpnlab export`: a lab as files for other tools."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import click

from lab.cli import options
from lab.cli.output import say
from lab.cli.source import wanted_spec
from lab.control.exporting import export
from lab.errors import UsageError
from lab.export.compose import render
from lab.export.containerlab import containerlab_topology
from lab.plan.compile import compile_plan
from lab.plan.containers import IMAGE, SUBNETS


@click.group("export")
def command() -> None:
    """Write a lab as files that other tools bring up."""


@command.command("containerlab")
@options.topology
@options.name
@options.option("-o", "--output", env="OUTPUT", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
                help="Folder to write to. Default: a new one here, named after the lab.")  # fmt: skip
@options.option("--image", env="IMAGE", default=IMAGE, show_default=True, help="The image of the nodes.")
@options.verbose
def containerlab_command(topology: str | None, name: str | None, output: Path | None, image: str) -> None:
    """Write the lab as a containerlab topology, with what its nodes are given.

    Each node is a container that runs its agent from a file; `keys/` holds the pre-shared keys and is closed to others.
    A second export into the same folder keeps the keys.
    """
    spec = wanted_spec(topology, name)
    directory = output or Path(f"{spec.name}.containerlab")
    plan = export(spec, directory)
    path = directory / f"{plan.name}.clab.yml"
    path.write_text(containerlab_topology(plan, image))
    say(f"wrote {path}; `containerlab deploy -t {path}` brings it up where the kernel has XFRM")


@command.command("compose")
@options.topology
@options.name
@options.file_to_write("-o", "--output", env="OUTPUT", help="File to write. Default: standard output.")
@options.option("--subnets", env="DOCKER_SUBNETS", default=str(SUBNETS), show_default=True, metavar="CIDR",
                help="Where Docker's networks take their subnets from; nothing in the lab uses them.")  # fmt: skip
@options.verbose
def compose_command(topology: str | None, name: str | None, output: Path | None, subnets: str) -> None:
    """Write the lab as one file for `docker compose up`, which then needs no vpnlab.

    The file holds no key: the service "conductor" makes the keys up at each start.
    """
    spec = wanted_spec(topology, name)
    try:
        pool = IPv4Network(subnets)
    except ValueError as error:
        raise UsageError(f"--subnets {subnets}: {error}", mend="name a range such as 10.90.0.0/16") from error
    text = render(compile_plan(spec), pool)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)
        say(
            f"wrote {output}; `docker compose -f {output} up --detach` brings it up (the kernel there has to have XFRM)"
        )

"""`vpnlab export`: a lab as files for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli import options
from lab.cli.output import say
from lab.cli.source import wanted_spec
from lab.control.exporting import export
from lab.export.containerlab import IMAGE, containerlab_topology


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
    say(f"wrote {path}; `containerlab deploy -t {path}` brings it up (the kernel there has to have XFRM)")

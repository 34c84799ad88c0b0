"""Options that several commands share. Every one has its variable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

VERBOSE = "lab.verbose"


def option(*names: str, env: str, **attributes: Any) -> Callable[[F], F]:  # noqa: ANN401 - click's
    """An option that the variable VPNLAB_`env` sets too; the help says so."""
    return click.option(*names, envvar=f"VPNLAB_{env}", show_envvar=True, **attributes)


def file_to_write(*names: str, env: str, help: str) -> Callable[[F], F]:  # noqa: A002 - click's word for it
    """An option that names a file, in a folder that is there: what was worked for is not to be lost at its end."""
    kind = click.Path(dir_okay=False, writable=True, path_type=Path)
    return option(*names, env=env, type=kind, metavar="FILE", callback=_refuse_without_folder, help=help)


def _refuse_without_folder(_ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path


def _note_verbose(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.meta[VERBOSE] = True


def is_verbose(ctx: click.Context | None = None) -> bool:
    """Whether the user asked for more, before or after the verb."""
    return bool((ctx or click.get_current_context()).meta.get(VERBOSE))


verbose = option(
    "-v", "--verbose", env="VERBOSE", is_flag=True, expose_value=False, callback=_note_verbose,
    help="Say more: what is waited for, and the traceback of a bug.",
)  # fmt: skip
topology_long = option(
    "--topology", env="TOPOLOGY", metavar="FILE|DIR|-",
    help="Topology file whose lab is meant. Default: the one that runs here.",
)  # fmt: skip
topology = option(
    "-t", "--topology", env="TOPOLOGY", metavar="FILE|DIR|-",
    help="Topology file; a folder with one *.vpnlab.yaml; - for standard input. "
    "Default: the one *.vpnlab.yaml here, else the built-in reference.",
)  # fmt: skip
name = option("--name", env="NAME", metavar="LAB", help="The lab's name. Default: the topology's.")
output_format = option(
    "-f", "--format", "output_format", env="FORMAT", type=click.Choice(["table", "json"]), default="table",
    show_default=True, help="Output on stdout: a table for people or JSON for programs.",
)  # fmt: skip
substrate = option(
    "--substrate", env="SUBSTRATE", default="auto", show_default=True,
    type=click.Choice(["auto", "docker", "netns", "microvm", "microvm-docker"]),
    help="Where nodes run: containers or namespaces of this host, or either in a machine of its own. auto tries what "
    "this host can and says why it chose.",
)  # fmt: skip
timeout = option(
    "--timeout", env="TIMEOUT", type=click.FloatRange(min=1), metavar="SECONDS",
    help="How long to wait until the lab is ready. Default: 60, more on a slow host.",
)  # fmt: skip
snapshot = option(
    "--snapshot/--no-snapshot", env="SNAPSHOT", default=True, show_default=True,
    help="Start the machine from its snapshot, or boot it.",
)  # fmt: skip


def of_running_lab(function: F) -> F:
    """The options of every command that is about a lab which runs."""
    return name(topology(verbose(function)))

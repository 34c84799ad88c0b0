"""`vpnlab endpoint`: one end of a VPN, alone: run, check, plan, status, healthy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from lab.cli import options
from lab.cli.consoles import output
from lab.cli.output import print_json, say
from lab.cli.show_endpoint import mirror_tables, status_tables
from lab.control.lone_endpoint import Compiled, be, compile_file, write
from lab.errors import LabSaysNo, SpecError, UsageError
from lab.plan.codec import from_json, to_json
from lab.plan.mirror import mirror
from lab.plan.report import NodeReport
from lab.runtime import health
from lab.runtime.alone import log_line, read_bundle, read_keys
from lab.spec.endpoint_load import load_endpoint

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
file_argument = click.argument("file", type=PATH)
directory_option = options.option("--directory", env="DIRECTORY", type=PATH, metavar="DIR",
    help=f"Folder for logs and sockets. Default: one of its own in {health.DIRECTORIES}.")  # fmt: skip


@click.group("endpoint")
def command() -> None:
    """Be one end of a VPN by itself, and say what the other end needs."""


@command.command("run")
@click.argument("file", type=PATH, required=False)
@options.option(
    "--plan", env="PLAN", type=PATH, help="Instead of a file: the plan that `endpoint plan` has made of it."
)
@options.option("--keys", env="KEYS", type=PATH, help="With --plan: the pre-shared keys, closed to others.")
@directory_option
@options.verbose
def run_command(file: Path | None, plan: Path | None, keys: Path | None, directory: Path | None) -> None:
    """Be the endpoint, in the foreground, until SIGINT or SIGTERM ends it.

    Needs root (or NET_ADMIN, NET_RAW and NET_BIND_SERVICE) and a kernel with XFRM. Nothing is left behind; what a
    killed run has left is cleared away by the next.
    """
    if (file is None) == (plan is None):
        raise UsageError("which endpoint?", mend="vpnlab endpoint run FILE, or --plan PLAN --keys KEYS")
    if file is not None:
        compiled = compile_file(file)
    else:
        compiled = Compiled(read_bundle(Path(str(plan))), read_keys(keys) if keys is not None else {})
    be(compiled, directory or health.DIRECTORIES / compiled.bundle.plan.name, log_line)


@command.command("check")
@file_argument
@options.output_format
@options.verbose
def check_command(file: Path, output_format: str) -> None:
    """Check an endpoint file, and say what the other end has to be set to, parameter by parameter."""
    try:
        spec, _ = load_endpoint(file, os.environ)
    except SpecError as error:
        if output_format == "json":
            print_json("endpoint-check", valid=False, problems=[asdict(problem) for problem in error.problems])
        raise
    found = mirror(spec)
    if output_format == "json":
        print_json("endpoint-check", valid=True, problems=[], name=spec.name, side=spec.side,
                   tunnels=[asdict(tunnel) for tunnel in found])  # fmt: skip
    else:
        console = output()
        console.print(mirror_tables(found))


@command.command("plan")
@file_argument
@options.option("-o", "--output", env="OUTPUT", type=PATH, metavar="DIR",
                help="Write node.json and keys.json there. Default: print the plan, without keys.")  # fmt: skip
@options.verbose
def plan_command(file: Path, output: Path | None) -> None:
    """Make the plan of an endpoint file, for where the file cannot be read: `python3 -m lab.runtime.alone` takes it."""
    compiled = compile_file(file)
    if output is None:
        click.echo(json.dumps(to_json(compiled.bundle), indent=2))
        return
    write(compiled, output)
    say(f"wrote {output / 'node.json'} and {output / 'keys.json'}")


@command.command("status")
@directory_option
@options.output_format
@options.verbose
def status_command(directory: Path | None, output_format: str) -> None:
    """Show what the endpoint that runs here sees now. Exit code 1 when something lacks."""
    found = _ask(directory)
    if output_format == "json":
        print_json("endpoint-status", report=found["report"], lacking=found["lacking"])
    elif found["report"] is not None:
        console = output()
        console.print(status_tables(from_json(NodeReport, found["report"]), found["lacking"]))
    if found["lacking"]:
        raise click.exceptions.Exit(1)


@command.command("healthy")
@directory_option
@options.verbose
def healthy_command(directory: Path | None) -> None:
    """Say nothing when tunnels and BGP sessions are up, else what lacks, with exit code 1."""
    lacking = _ask(directory)["lacking"]
    if lacking:
        raise LabSaysNo("; ".join(lacking))


def _ask(directory: Path | None) -> dict[str, Any]:
    try:
        return health.ask(directory or health.only_directory())
    except health.NoAnswer as error:
        raise LabSaysNo(str(error), mend="`vpnlab endpoint run FILE` starts one") from error

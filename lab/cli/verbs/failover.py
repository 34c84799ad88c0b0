"""`vpnlab failover`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.text import Text

from lab.cli import options
from lab.cli.consoles import errors, output
from lab.cli.output import print_json, say
from lab.cli.progress import ConsoleProgress
from lab.cli.show import plain_table
from lab.cli.show_failover import failover_table
from lab.cli.source import wanted_spec
from lab.cli.target import wanted_name
from lab.control import record
from lab.control.computers import computer_of, place_of
from lab.control.progress import Progress
from lab.control.up import bring_up
from lab.plan.codec import to_json
from lab.trial.faults import PROCEDURE, catalogue, fault_called
from lab.trial.junit import junit_report
from lab.trial.model import Budgets, FailoverReport
from lab.trial.page import html_report
from lab.trial.play import Choice
from lab.trial.probing import DEFAULT_LOAD
from lab.trial.procedure import failover


@click.command("failover")
@options.option("--list", "listing", env="FAILOVER_LIST", is_flag=True, help="List the faults, and do nothing.")
@options.option(
    "--fault", "faults", env="FAULTS", multiple=True, metavar="FAULT",
    help=f"A fault to play, such as blackhole or loss-5%; may be given again. Default: {', '.join(PROCEDURE)}.",
)  # fmt: skip
@options.option(
    "--tunnel", "tunnels", env="TUNNELS", multiple=True, metavar="TUNNEL",
    help="A tunnel to break; may be given again. Default: all that are enabled, one after the other.",
)  # fmt: skip
@options.option("--runs", env="RUNS", type=click.IntRange(1, 100), default=1, show_default=True,
                help="How often each fault is played on each tunnel.")  # fmt: skip
@options.option("--rate", env="RATE", type=click.FloatRange(100, 20_000), default=DEFAULT_LOAD.rate, show_default=True,
                metavar="PACKETS/S", help="Packets a second in each direction, over all flows together.")  # fmt: skip
@options.option("--flows", env="FLOWS", type=click.IntRange(1, 256), default=DEFAULT_LOAD.flows, show_default=True,
                help="UDP flows in each direction.")  # fmt: skip
@options.option("--max-loss-ms", env="MAX_LOSS_MS", type=click.FloatRange(0), metavar="MS",
                help="Exit code 1 when a direction is without traffic for longer.")  # fmt: skip
@options.option("--max-lost", env="MAX_LOST", type=click.IntRange(0), metavar="PACKETS",
                help="Exit code 1 when more packets are lost, both ways together.")  # fmt: skip
@options.file_to_write("--junit", env="JUNIT", help="Also write the result as JUnit XML.")
@options.file_to_write(
    "--html", env="HTML", help="Also write a report to look at: one page with drawings, no network needed."
)
@options.topology
@options.name
@options.substrate
@options.timeout
@options.output_format
@options.verbose
def command(
    topology: str | None, name: str | None, *, listing: bool, faults: Sequence[str], tunnels: Sequence[str], runs: int,
    rate: float, flows: int, max_loss_ms: float | None, max_lost: int | None, junit: Path | None, html: Path | None,
    substrate: str, timeout: float | None, output_format: str,
) -> None:  # fmt: skip
    """Break one tunnel of a lab after the other under load, and measure what that costs.

    The lab is brought up first where it does not run. Each fault is played on each tunnel: a baseline, the fault until
    the traffic is on the other tunnels, and back. Every fault is undone, also when the command is interrupted. Exit
    code 1 when the traffic did not move, did not come back, or cost more than is allowed.
    """
    if listing:
        _list(output_format)
        return
    played = [fault_called(text) for text in faults]
    load = replace(DEFAULT_LOAD, rate=rate, flows=flows)
    choice = Choice(load, Budgets(max_loss_ms, max_lost))
    with ConsoleProgress(errors(), verbose=options.is_verbose()) as progress:
        lab = _running_lab(topology, name, substrate, timeout, progress)
        report = failover(lab, played, tunnels, runs, choice, shlex.join(["vpnlab", *sys.argv[1:]]), progress)
    _render(report, output_format, junit, html)
    if not report.passed:
        raise click.exceptions.Exit(1)


def _running_lab(
    topology: str | None, name: str | None, substrate: str, timeout_s: float | None, progress: Progress
) -> str:
    """The lab that is meant; it is brought up where it does not run."""
    lab = wanted_name(topology, name)
    place = place_of(lab)
    if place is None or record.read_plan(lab) is None or not computer_of(lab, place).running():
        spec = wanted_spec(topology, name)
        bring_up(spec, substrate=substrate, use_snapshot=True, timeout_s=timeout_s, progress=progress)
    return lab


def _list(output_format: str) -> None:
    kinds = catalogue()
    if output_format == "json":
        faults = [{"name": kind.name, "usage": f"{kind.name} {kind.usage}".strip(), "summary": kind.summary}
                  for kind in kinds]  # fmt: skip
        print_json("faults", faults=faults)
        return
    table = plain_table("fault", "what it does")
    for kind in kinds:
        table.add_row(Text(f"{kind.name} {kind.usage}".strip()), kind.summary)
    console = output()
    console.print(table)


def _render(report: FailoverReport, output_format: str, junit: Path | None, html: Path | None) -> None:
    """Print the report, and write it to the files that are wanted."""
    if output_format == "json":
        print_json("failover", report=to_json(report))
    else:
        output().print(failover_table(report))
    for path, text in ((junit, junit_report), (html, html_report)):
        if path is not None:
            path.write_text(text(report), encoding="utf-8")
            say(f"written to {path}")

"""`vpnlab up`."""

from __future__ import annotations

import click

from lab.cli import options
from lab.cli.consoles import errors, output
from lab.cli.output import print_json, say
from lab.cli.progress import ConsoleProgress
from lab.cli.show import status_table
from lab.cli.source import wanted_spec
from lab.control import record
from lab.control.status import Status
from lab.control.up import Up, bring_up
from lab.plan.codec import to_json


@click.command("up")
@options.topology
@options.name
@options.substrate
@options.snapshot
@options.timeout
@options.output_format
@options.verbose
def command(
    topology: str | None, name: str | None, substrate: str, *, snapshot: bool, timeout: float | None, output_format: str
) -> None:
    """Bring a lab up, or go on with one that is half-way.

    Returns when both ends of every tunnel, BGP, routes and a ping through each tunnel work; exit code 4 when they do
    not in time. A lab that runs already is left alone.
    """
    spec = wanted_spec(topology, name)
    try:
        with ConsoleProgress(errors(), verbose=options.is_verbose()) as progress:
            result = bring_up(spec, substrate=substrate, use_snapshot=snapshot, timeout_s=timeout, progress=progress)
    except KeyboardInterrupt:
        say(_what_is_left(spec.name))
        raise
    if output_format == "json":
        _print_json(result)
    else:
        console = output()
        console.print(status_table(Status(result.plan, result.place, result.report, ()), console.width, result.pings))
    took = f"after {result.phases[-1].at_s:.1f} s"
    place = f"{result.place.substrate}: {result.place.why}"
    say(
        f"lab {spec.name} is ready {took} on {place}"
        if result.started
        else f"lab {spec.name} ran already; it is ready {took}"
    )


def _print_json(result: Up) -> None:
    phases = {phase.phase: phase.at_s for phase in result.phases}
    pings = {ping.plan.tunnel: ping.round_trip_ms for ping in result.pings}
    print_json("up", lab=result.plan.name, substrate=result.place.substrate, why=result.place.why,
               started=result.started, phases_s=phases, pings_ms=pings, report=to_json(result.report))  # fmt: skip


def _what_is_left(lab: str) -> str:
    """An interrupted start leaves nothing; a machine that runs is worth keeping."""
    if record.read_place(lab) is None:
        return f"nothing is left of lab {lab}"
    return f"lab {lab} is left half-way: `vpnlab up` goes on with it, `vpnlab down --name {lab}` ends it"

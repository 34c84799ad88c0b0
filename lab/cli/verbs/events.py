"""`vpnlab events`."""

from __future__ import annotations

import time

import click

from lab.cli import options
from lab.cli.output import print_json_line
from lab.cli.target import wanted_name
from lab.control.events import events_of
from lab.plan.codec import to_json
from lab.plan.report import LabEvent


@click.command("events")
@options.option("--follow", env="FOLLOW", is_flag=True, help="Go on showing what happens.")
@options.option("--since", env="SINCE", type=click.IntRange(min=0), default=0, metavar="N",
                help="Only events after the one of this number.")  # fmt: skip
@options.output_format
@options.of_running_lab
def command(topology: str | None, name: str | None, *, follow: bool, since: int, output_format: str) -> None:
    """Show what happened in a lab.

    Tunnels and sessions that came and went, rekeyings, daemons that died. With -f json one object a line.
    """
    for event in events_of(wanted_name(topology, name), since=since, follow=follow):
        if output_format == "json":
            print_json_line("event", event=to_json(event))
        else:
            click.echo(line_of(event))


def line_of(event: LabEvent) -> str:
    """An event for people, with the time of this host's zone."""
    at = time.strftime("%H:%M:%S", time.localtime(event.at)) + f".{int(event.at % 1 * 1000):03d}"
    return f"{event.number:>4}  {at}  {event.node:<10}  {event.kind:<18}  {event.subject or '-':<8}  {event.text}"

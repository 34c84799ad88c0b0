"""`vpnlab down`."""

from __future__ import annotations

from functools import partial

import click

from lab.cli import options
from lab.cli.output import print_json, say
from lab.cli.target import wanted_name
from lab.control import record
from lab.control.down import take_down
from lab.errors import LabError


@click.command("down")
@options.topology
@options.name
@options.option("--all", "everything", env="DOWN_ALL", is_flag=True, help="End every lab of this user.")
@options.output_format
@options.verbose
def command(topology: str | None, name: str | None, *, everything: bool, output_format: str) -> None:
    """End a lab and everything that is left of it.

    Works by name alone; a lab that does not run is fine.
    """
    labs = record.names() if everything else (wanted_name(topology, name),)
    ended, failed = {}, []
    for lab in labs:
        try:
            ended[lab] = take_down(lab, partial(say, f"waiting: another command is changing lab {lab}"))
        except LabError as error:  # one that cannot be ended is not in the way of the others
            failed.append(error)
    if output_format == "json":
        print_json("down", labs=[{"lab": lab, "ended": was_there} for lab, was_there in ended.items()])
    for lab, was_there in ended.items():
        say(f"lab {lab} is down" if was_there else f"lab {lab} does not run: nothing to do")
    if not labs:
        say("no lab runs: nothing to do")
    if failed:
        for another in failed[1:]:
            say(str(another))
        raise failed[0]

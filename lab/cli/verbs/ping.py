"""`vpnlab ping`."""

from __future__ import annotations

import click
from click.core import ParameterSource

from lab.cli import options
from lab.cli.consoles import errors, output
from lab.cli.nodes import NO_INPUT, run
from lab.cli.output import print_json
from lab.cli.progress import ConsoleProgress
from lab.cli.show import pings_table
from lab.cli.target import wanted_name
from lab.control.addresses import address_of
from lab.control.pings import ping_tunnels
from lab.control.status import known, session_with
from lab.errors import UsageError


@click.command("ping")
@click.argument("source", required=False, metavar="[NODE")
@click.argument("destination", required=False, metavar="NODE|ADDRESS]")
@options.option("-c", "--count", env="COUNT", type=click.IntRange(min=1), metavar="N",
                help="Pings to send from NODE. Default: until Ctrl-C.")  # fmt: skip
@options.output_format
@options.of_running_lab
def command(
    topology: str | None, name: str | None, source: str | None, destination: str | None, count: int | None,
    output_format: str,
) -> None:  # fmt: skip
    """Ping through each tunnel, or from a node to a node or address.

    Exit code 1 when there is no answer.
    """
    lab = wanted_name(topology, name)
    if source is None:
        if count is not None:
            raise UsageError("-c is for a ping from a node", mend="vpnlab ping -c N NODE NODE|ADDRESS")
        _through_tunnels(lab, output_format)
    elif destination is None:
        raise UsageError("a ping needs a destination", mend="vpnlab ping NODE NODE|ADDRESS, or neither")
    elif output_format == "json" and _given("output_format"):
        raise UsageError("-f json is for pings through the tunnels", mend="leave it out, or leave the nodes out")
    else:
        _from_node(lab, source, destination, count)


def _given(option: str) -> bool:
    """Whether an option stands on the command line: a variable is set for all commands."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _through_tunnels(lab: str, output_format: str) -> None:
    _, plan = known(lab)
    with session_with(lab) as client, ConsoleProgress(errors()) as progress:
        answers = ping_tunnels(client, plan, progress.doing)
    if output_format == "json":
        pings = [
            {"tunnel": answer.plan.tunnel, "source": str(answer.plan.source), "error": answer.error,
             "destination": str(answer.plan.destination), "round_trip_ms": answer.round_trip_ms}
            for answer in answers
        ]  # fmt: skip
        print_json("ping", lab=lab, pings=pings)
    else:
        output().print(pings_table(plan, answers))
    if any(answer.error is not None for answer in answers):
        raise click.exceptions.Exit(1)


def _from_node(lab: str, source: str, destination: str, count: int | None) -> None:
    _, plan = known(lab)
    target = address_of(plan, destination)
    argv = ["ping", "-n", *(["-c", str(count)] if count else []), str(target)]
    code = run(lab, source, argv, streams=NO_INPUT)
    raise click.exceptions.Exit(code if code in (0, 130) else 1)

"""`vpnlab status`."""

from __future__ import annotations

from dataclasses import asdict

import click

from lab.cli import options
from lab.cli.consoles import output
from lab.cli.output import print_json, say
from lab.cli.show import labs_table, status_table
from lab.cli.target import wanted_name
from lab.control.connections import ConnectionStatus, connection_statuses
from lab.control.labs import all_labs
from lab.control.status import Status, status_of
from lab.errors import LabSaysNo
from lab.plan.codec import to_json
from lab.wire.client import LabGone


@click.command("status")
@options.topology
@options.name
@options.option("--all", "everything", env="STATUS_ALL", is_flag=True, help="List the labs of this user.")
@options.output_format
@options.verbose
def command(topology: str | None, name: str | None, *, everything: bool, output_format: str) -> None:
    """Show tunnels, BGP sessions and routes as they are now.

    Exit code 1 when the lab is not ready, or its machine is gone.
    """
    if everything:
        _list(output_format)
        return
    lab = wanted_name(topology, name)
    try:
        found = status_of(lab)
    except (LabGone, LabSaysNo) as error:
        if output_format == "json":
            print_json("status", lab=lab, ready=False, lacking=[error.what], substrate=None, why=None, report=None)
        raise
    _show(found, output_format)
    if found.lacking:
        raise click.exceptions.Exit(1)


def _show(found: Status, output_format: str) -> None:
    if output_format == "json":
        connections = [_as_json(connection) for connection in connection_statuses(found.plan, found.report)]
        print_json("status", lab=found.plan.name, ready=not found.lacking, lacking=[str(x) for x in found.lacking],
                   substrate=found.place.substrate, why=found.place.why, report=to_json(found.report),
                   vpn_connections=connections)  # fmt: skip
    else:
        console = output()
        console.print(status_table(found, console.width))


def _as_json(connection: ConnectionStatus) -> dict[str, object]:
    tunnels = [
        {
            "name": tunnel.name,
            "cloud_address": str(tunnel.pair.cloud),
            "customer_address": str(tunnel.pair.customer),
            "admin_status": tunnel.admin,
            "operational_status": tunnel.operational,
            "rates": tunnel.rates and asdict(tunnel.rates),
        }
        for tunnel in connection.tunnels
    ]
    return {**to_json(connection.plan), "ha_status": connection.ha_status, "tunnels": tunnels}


def _list(output_format: str) -> None:
    labs = all_labs()
    if output_format == "json":
        print_json("labs", labs=[asdict(lab) for lab in labs])
    elif labs:
        output().print(labs_table(labs))
    else:
        say("no lab is known here: `vpnlab up` starts one")

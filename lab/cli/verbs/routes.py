"""`vpnlab routes`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from lab.cli import options
from lab.cli.consoles import output
from lab.cli.output import print_json, say
from lab.cli.show import plain_table
from lab.cli.target import wanted_name
from lab.cloud.routing import NextHopType, Route, RouteType
from lab.control.routes import GatewayRoutes, VpcRoutes, tables_of
from lab.errors import UsageError

NEXT_HOP_TYPES = {
    NextHopType.VPC_ATTACHMENT: "VPC",
    NextHopType.PRIVATE_VIRTUAL_INTERFACE: "private virtual interface",
    NextHopType.VPN_CONNECTION: "VPN connection",
}
ROUTE_TYPES = {
    RouteType.STATIC: "static",
    RouteType.PROPAGATED: "propagated",
    RouteType.EBGP: "eBGP",
    RouteType.IBGP: "iBGP",
}


@click.command("routes")
@click.argument("of", nargs=-1, required=True, metavar="GATEWAY|vpc NAME")
@options.option("--table", "table", env="ROUTES_TABLE", type=click.Choice(["static", "propagated", "valid"]),
                default="valid", show_default=True, help="Which table of a border gateway.")  # fmt: skip
@options.output_format
@options.of_running_lab
def command(of: Sequence[str], table: str, topology: str | None, name: str | None, *, output_format: str) -> None:
    """Show the route tables of a border gateway or a VPC as they are now.

    The valid table is what forwards. Exit code 1 when the kernel does not have all of it.
    """
    lab = wanted_name(topology, name)
    match tuple(of):
        case ("vpc", vpc):
            found = tables_of(lab, vpc=vpc)
        case (gateway,):
            found = tables_of(lab, border_gateway=gateway)
        case _:
            raise UsageError("whose routes?", mend="vpnlab routes GATEWAY, or vpnlab routes vpc NAME")
    if isinstance(found, VpcRoutes):
        _show(vpc_rows(found), output_format, vpc=found.vpc)
    else:
        _show(gateway_rows(found, table), output_format, border_gateway=found.border_gateway, table=table)
    if found.missing:
        say(f"not in the kernel: {', '.join(map(str, sorted(found.missing)))}")
        raise click.exceptions.Exit(1)


def gateway_rows(found: GatewayRoutes, table: str) -> list[dict[str, object]]:
    """The rows of one table, by destination."""
    chosen: Iterable[Route] = {
        "static": found.static,
        "propagated": found.propagated,
        "valid": [route for routes in found.valid.values() for route in routes],
    }[table]
    rows = []
    for route in sorted(chosen, key=lambda route: (route.destination, route.next_hop_type, route.next_hop, route.via)):
        earlier = found.kept_out.get(route)
        rows.append({
            "destination": str(route.destination), "next hop type": NEXT_HOP_TYPES[route.next_hop_type],
            "next hop": route.next_hop, "tunnel": route.via, "type": ROUTE_TYPES[route.route_type],
            "metric": route.metric,
            "note": f"invalid: overlaps {earlier.destination} of {earlier.next_hop}" if earlier else "",
        })  # fmt: skip
    return rows


def vpc_rows(found: VpcRoutes) -> list[dict[str, object]]:
    """The rows of a VPC's route table, by destination and priority."""
    return [
        {
            "destination": str(route.destination), "border gateway": route.next_hop, "priority": route.priority,
            "origin": route.origin, "used": "yes" if route in found.forwarding[route.destination] else "no",
        }
        for route in sorted(found.routes, key=lambda route: (route.destination, route.priority, route.next_hop))
    ]  # fmt: skip


def _show(rows: list[dict[str, object]], output_format: str, **whose: str) -> None:
    if output_format == "json":
        print_json("routes", **whose, routes=[{key.replace(" ", "_"): row[key] for key in row} for row in rows])
    elif not rows:
        say("the table is empty")
    else:
        columns = [column for column in rows[0] if any(row[column] != "" for row in rows)]
        table = plain_table(*columns)
        for row in rows:
            table.add_row(*(str(row[column]) for column in columns))
        output().print(table)

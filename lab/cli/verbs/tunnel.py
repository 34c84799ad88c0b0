"""`vpnlab tunnel`: list, show, enable, disable, modify, add, delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import IO, Any, Literal, TypeVar

import click

from lab.cli import options
from lab.cli.changes import change
from lab.cli.consoles import output
from lab.cli.output import print_json
from lab.cli.rates import rate_rows
from lab.cli.show import plain_table
from lab.cli.target import wanted_name
from lab.control import record
from lab.control.change import Edit
from lab.control.status import status_of
from lab.control.tunnels import TunnelEnd, TunnelView, added, deleted, modified, switched, tunnel_called, view
from lab.control.tunnels import tunnels_of as tunnels_in
from lab.control.wanted import recalled
from lab.errors import UsageError
from lab.plan.codec import to_json
from lab.plan.model import called_tunnel
from lab.spec.dumping import dumped
from lab.spec.tree import NULLS
from lab.spec.wording import SECRET

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_KEY_FILE = 4096
"""Bytes read of a file that holds a key; the cloud's keys have 20 characters at most."""


@click.group("tunnel")
def command() -> None:
    """Show the tunnels of a running lab, or change one of them.

    The cloud's rules hold: a tunnel is changed or deleted only while it is disabled. What is refused is named with its
    reason, exit code 1, and nothing is done. A tunnel that is disabled is drained first.
    """


def changing(function: F) -> F:
    """The options of every verb that changes a tunnel."""
    return options.option("--dry-run", env="DRY_RUN", is_flag=True, help="Only show what would be done.")(
        options.timeout(options.output_format(options.of_running_lab(function)))
    )


psk_file = options.option(
    "--psk-file", env="PSK_FILE", type=click.File("r"), metavar="FILE|-",
    help="Read the pre-shared key from a file, for it has no place on a command line.",
)  # fmt: skip


@command.command("list")
@options.output_format
@options.of_running_lab
def list_command(topology: str | None, name: str | None, *, output_format: str) -> None:
    """List all tunnels with their admin and operational status."""
    lab = wanted_name(topology, name)
    wanted, status = recalled(lab), status_of(lab)
    found = [view(connection, tunnel, status) for connection, tunnel in tunnels_in(wanted)]
    if output_format == "json":
        print_json("tunnels", lab=lab, tunnels=[_summary(tunnel) for tunnel in found])
        return
    table = plain_table("tunnel", "cloud", "customer", "inner", "admin", "status", "BGP")
    for tunnel in found:
        row = _summary(tunnel)
        columns = ("name", "cloud_address", "customer_address", "inner", "admin", "operational", "bgp")
        table.add_row(*(str(row[column] or "-") for column in columns))
    console = output()
    console.print(table)


@command.command("show")
@click.argument("tunnel")
@options.option("--reveal-psk", env="REVEAL_PSK", is_flag=True, help="Show the pre-shared key, too.")
@options.output_format
@options.of_running_lab
def show_command(tunnel: str, topology: str | None, name: str | None, *, reveal_psk: bool, output_format: str) -> None:
    """Show a tunnel: status, parameters, SAs and BGP session of both ends."""
    lab = wanted_name(topology, name)
    wanted = recalled(lab)
    found = view(*tunnel_called(wanted, tunnel), status_of(lab))
    parameters = {key: value for key, value in dumped(found.wanted.spec).items() if key != SECRET}
    parameters |= {
        "inner": str(found.wanted.inner),
        "cloud_inner_address": str(found.wanted.cloud_inner),
        "local_id": parameters["local_id"] or parameters["cloud_address"],
        "remote_id": parameters["remote_id"] or parameters["customer_address"],
    }
    if reveal_psk:
        parameters[SECRET] = record.read_keys(lab).get(found.wanted.name)
    if output_format == "json":
        ends = {end.node: {"tunnel": end.tunnel and to_json(end.tunnel), "bgp": end.session and to_json(end.session)}
                for end in (found.cloud, found.idc)}  # fmt: skip
        rates = found.rates and asdict(found.rates)
        print_json("tunnel", lab=lab, **_summary(found), parameters=parameters, ends=ends, rates=rates)
    else:
        _print(found, parameters)


def _switching(verb: str, admin: Literal["up", "down"], text: str) -> None:
    """Make the verb that gives a tunnel this admin status."""

    @command.command(verb, help=text)
    @click.argument("tunnel")
    @changing
    def switch_command(tunnel: str, **how: Any) -> None:  # noqa: ANN401 - click's options
        _change(lambda wanted: switched(wanted, tunnel, admin), **how)


_switching("enable", "up", "Enable a tunnel: the cloud negotiates it.")
_switching("disable", "down", "Disable a tunnel: its traffic leaves it first, then its SAs go.")


@command.command("modify")
@click.argument("tunnel")
@click.argument("settings", nargs=-1, metavar="SETTING=VALUE...")
@psk_file
@changing
def modify_command(tunnel: str, settings: Sequence[str], psk_file: IO[str] | None, **how: Any) -> None:  # noqa: ANN401
    """Change parameters of a disabled tunnel, in the file's spelling: ike_cipher=aes256."""
    given = _settings(settings, psk_file)
    if not given:
        raise UsageError("nothing is to be modified", mend="vpnlab tunnel modify TUNNEL SETTING=VALUE...")
    _change(lambda wanted: modified(wanted, tunnel, given), **how)


@command.command("add")
@click.argument("connection")
@click.argument("settings", nargs=-1, metavar="cloud_address=... customer_address=... SETTING=VALUE...")
@psk_file
@changing
def add_command(connection: str, settings: Sequence[str], psk_file: IO[str] | None, **how: Any) -> None:  # noqa: ANN401
    """Add a tunnel to a VPN connection, between two addresses that have none yet."""
    given = _settings(settings, psk_file)
    _change(lambda wanted: added(wanted, connection, given), **how)


@command.command("delete")
@click.argument("tunnel")
@changing
def delete_command(tunnel: str, **how: Any) -> None:  # noqa: ANN401
    """Delete a tunnel that is disabled."""
    _change(lambda wanted: deleted(wanted, tunnel), **how)


def _change(
    edit: Edit, topology: str | None, name: str | None, *, dry_run: bool, timeout: float | None, output_format: str
) -> None:
    lab = wanted_name(topology, name)
    change(lab, edit, dry_run=dry_run, timeout=timeout, output_format=output_format)


def _settings(words: Iterable[str], key: IO[str] | None) -> dict[str, str | None]:
    """SETTING=VALUE words as a mapping. Raises UsageError, which never quotes a key."""
    found: dict[str, str | None] = {}
    for word in words:
        setting, equals, value = word.partition("=")
        if not equals:
            raise UsageError("a setting has no value", mend="write SETTING=VALUE, as in ike_cipher=aes256")
        if setting == SECRET:
            raise UsageError("a key has no place on a command line", mend="put it into a file and use --psk-file FILE")
        found[setting] = None if value in NULLS else value
    if key is not None:
        found[SECRET] = key.read(LONGEST_KEY_FILE).strip()
    return found


def _summary(found: TunnelView) -> dict[str, Any]:
    tunnel, session = found.wanted, found.cloud.session
    bgp = None if not found.connection.spec.bgp else session.state if session else "idle"
    return {
        "name": called_tunnel(found.connection.name, tunnel.name), "vpn_connection": found.connection.name,
        "description": tunnel.spec.description, "cloud_address": str(tunnel.spec.cloud_address),
        "customer_address": str(tunnel.spec.customer_address), "inner": str(tunnel.inner),
        "admin": str(found.admin), "operational": str(found.operational), "reason": found.reason, "bgp": bgp,
    }  # fmt: skip


def _print(found: TunnelView, parameters: dict[str, Any]) -> None:
    table = plain_table("parameter", "value")
    table.add_row("name", called_tunnel(found.connection.name, found.wanted.name))
    table.add_row("vpn_connection", found.connection.name)
    table.add_row("admin status", str(found.admin))
    table.add_row("operational status", f"{found.operational}: {found.reason}" if found.reason else found.operational)
    for setting, value in parameters.items():
        if setting != "admin":
            table.add_row(setting, "-" if value is None else str(value))
    for direction, text in rate_rows(found.rates):
        table.add_row(direction, text)
    for end in (found.cloud, found.idc):
        for what, text in _end_rows(end):
            table.add_row(f"{end.node} {what}", text)
    console = output()
    console.print(table)


def _end_rows(end: TunnelEnd) -> Iterable[tuple[str, str]]:
    ike, child = (end.tunnel.ike, end.tunnel.child) if end.tunnel else (None, None)
    yield "IKE SA", f"{ike.state} {ike.spi_initiator}_i {ike.spi_responder}_r {ike.proposal}" if ike else "none"
    yield "child SA", f"{child.state} in {child.spi_in} out {child.spi_out} {child.proposal}" if child else "none"
    if child:
        yield "packets out/in", f"{child.packets_out}/{child.packets_in}"
    if end.session:
        yield "BGP", end.session.state + (f": {end.session.reason}" if end.session.reason else "")

"""`vpnlab doctor`."""

from __future__ import annotations

from dataclasses import asdict

import click

from lab.cli import options
from lab.cli.consoles import output
from lab.cli.output import print_json
from lab.cli.show import checks_table
from lab.control.computers import choose_place
from lab.control.doctor import judge, packages_to_install
from lab.control.examination import examine
from lab.errors import HostCannot


@click.command("doctor")
@options.option(
    "--network", env="NETWORK", is_flag=True, help="Ask Debian's mirror too; nothing else leaves this host."
)
@options.output_format
@options.verbose
def command(*, network: bool, output_format: str) -> None:
    """Try what this host can do for labs, and say what to mend.

    Exit code 3 when no lab can run here.
    """
    checks = tuple(examine(network=network))
    place = choose_place("auto")
    verdict = judge(checks, place.substrate, place.why)
    if output_format == "json":
        print_json("doctor", substrate=verdict.substrate, why=verdict.why, checks=[asdict(check) for check in checks])
    else:
        output().print(checks_table(checks))
        click.echo()
        if verdict.substrate is not None:
            click.echo(f"labs run here, on {verdict.substrate}: {verdict.why}")
    if verdict.substrate is None:
        raise HostCannot(
            f"no lab can run here: {verdict.why}", mend=packages_to_install(verdict.lacking) or "see above"
        )

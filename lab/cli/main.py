"""The command `vpnlab`: a group whose verbs are imported when they are used, and the end of every error."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
import traceback
from typing import Any, NamedTuple

import click

from lab.cli import failures, options
from lab.cli.output import say
from lab.errors import LabError


class Verb(NamedTuple):
    """A verb's module in lab.cli.verbs, and its line in the group's help, known without importing it."""

    module: str
    help: str


VERBS = {
    "up": Verb("up", "Bring a lab up, or go on with one that is half-way."),
    "apply": Verb("apply", "Change a running lab to what a file says, and touch nothing else."),
    "down": Verb("down", "End a lab and everything that is left of it."),
    "status": Verb("status", "Show tunnels, BGP sessions and routes as they are now."),
    "routes": Verb("routes", "Show the route tables of a border gateway or a VPC as they are now."),
    "validate": Verb("validate", "Check a topology file and name every problem in it."),
    "plan": Verb("plan", "Print every number that is decided for a lab, as JSON."),
    "endpoint": Verb("endpoint", "Be one end of a VPN by itself, and say what the other end needs."),
    "export": Verb("export", "Write a lab as files that other tools bring up."),
    "schema": Verb("schema", "Print the JSON Schema of topology files, for editors."),
    "doctor": Verb("doctor", "Try what this host can do for labs, and say what to mend."),
    "exec": Verb("exec", "Run a command in a node."),
    "shell": Verb("shell", "Open a shell in a node."),
    "tunnel": Verb("tunnel", "Show the tunnels of a running lab, or change one of them."),
    "cp": Verb("cp", "Copy a file out of a node or into it."),
    "ping": Verb("ping", "Ping through each tunnel, or from a node to a node or address."),
    "failover": Verb("failover", "Break one tunnel of a lab after the other under load, and measure what that costs."),
    "logs": Verb("logs", "Show the logs of a node's engines."),
    "events": Verb("events", "Show what happened in a lab."),
    "image": Verb("image", "Build, list and remove the images that machines boot."),
    "version": Verb("version", "Print the version."),
}
PROGRAM = "vpnlab"
ALIASES = {"deploy": "up", "destroy": "down", "inspect": "status"}
"""What containerlab calls them."""


class VerbGroup(click.Group):
    """Imports a verb's module when the verb is used, and no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a verb or alias."""
        verb = VERBS.get(ALIASES.get(cmd_name, cmd_name))
        if verb is None:
            return None
        command: click.Command = importlib.import_module(f"lab.cli.verbs.{verb.module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one name the nearest."""
        name = args[0]
        if not name.startswith("-") and ALIASES.get(name, name) not in VERBS:
            near = difflib.get_close_matches(name, [*VERBS, *ALIASES], n=1)
            ctx.fail(f"there is no command {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing them."""
        also = {verb: alias for alias, verb in ALIASES.items()}
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name + (f", {also[name]}" if name in also else ""), verb.help) for name, verb in VERBS.items()]
            )

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's
        """Run the verb; whatever goes wrong becomes a message on stderr and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            say("interrupted")
            raise click.exceptions.Exit(failures.INTERRUPTED) from None
        except BrokenPipeError:
            raise click.exceptions.Exit(failures.OUTPUT_CLOSED) from None
        except LabError as error:
            say(f"error: {error}")
            raise click.exceptions.Exit(error.exit_code) from error
        except Exception as error:  # the outermost place: no traceback reaches a user who did not ask for it
            failure = failures.of_unexpected(error)
            if options.is_verbose(ctx):
                say("".join(traceback.format_exception(error)).rstrip())
            say(f"error: {failure.text}")
            raise click.exceptions.Exit(failure.exit_code) from error


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        version = cli.get_command(ctx, "version")
        assert version is not None  # noqa: S101 - it stands in VERBS
        ctx.invoke(version)
        ctx.exit()


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, callback=_print_version, help="Print the version.")
@options.verbose
def cli() -> None:
    """A cloud VPN in a box: both ends of a dual-tunnel IPsec and BGP VPN, with real packets.

    Exit codes: 0 fine; 1 the lab answered no; 2 wrong use or wrong file; 3 this host cannot;
    4 not converged in time; 70 a bug of vpnlab; 130 interrupted.
    """


def main() -> None:
    """Run a command and exit with its code."""
    _open_missing_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup(1) has SIGHUP ignored
            signal.signal(number, signal.default_int_handler)
    try:
        code = cli.main(prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = failures.INTERRUPTED
    try:
        sys.stdout.flush()
    except OSError as error:  # what was printed found no room, or no reader
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        failure = failures.of_unexpected(error)
        code = failure.exit_code
        if code != failures.OUTPUT_CLOSED:
            say(f"error: {failure.text}")
    sys.exit(code)


def _open_missing_streams() -> None:
    """Put /dev/null where a standard stream was closed, lest a socket takes its number and is printed to."""
    for fileno in range(3):
        try:
            os.fstat(fileno)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


if __name__ == "__main__":
    main()

"""Commands in nodes for the verbs that run one: errors in the words of a shell, exit codes handed on."""

from __future__ import annotations

import click

from lab.cli.failures import OUTPUT_CLOSED
from lab.control.exec import Interrupted, OutputClosed, Streams, run_in_node
from lab.control.status import known, session_with

NO_INPUT = Streams(stdin=None)


def run(lab: str, node: str | None, argv: list[str], *, terminal: bool = False, streams: Streams | None = None) -> int:
    """Run a command in a node of a lab, over our own streams; its exit code. `node` is what the user calls it."""
    with session_with(lab) as client:
        if node is not None:
            node = known(lab)[1].node_called(node)
        try:
            return run_in_node(client, lab, node, argv, terminal=terminal, streams=streams)
        except OutputClosed:
            raise click.exceptions.Exit(OUTPUT_CLOSED) from None
        except Interrupted as signal:
            raise click.exceptions.Exit(128 + signal.number) from None

"""`vpnlab cp`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import NamedTuple

import click

from lab.cli import options
from lab.cli.nodes import run
from lab.cli.target import wanted_name
from lab.control.exec import Streams
from lab.errors import UsageError

READ = ["sh", "-c", 'exec cat < "$0"']
WRITE = ["sh", "-c", 'test ! -d "$0" || { echo "$0: is a directory" >&2; exit 1; }; exec cat > "$0"']
"""What runs in the node; the path is its first word. Nothing is installed there for it."""


class Place(NamedTuple):
    """A file of a node, or of this host where `node` is None."""

    node: str | None
    path: str


@click.command("cp")
@options.topology_long
@options.name
@options.verbose
@click.argument("source")
@click.argument("destination")
def command(topology: str | None, name: str | None, source: str, destination: str) -> None:
    """Copy a file out of a node or into it.

    One of the two is NODE:PATH:

        vpnlab cp hq-gw:/tmp/capture.pcap .
    """
    here, there = place_of(source), place_of(destination)
    if (here.node is None) == (there.node is None):
        raise UsageError("one of the two is to be NODE:PATH", mend="vpnlab cp NODE:PATH PATH, or the other way round")
    lab = wanted_name(topology, name)
    code = _out(lab, here, Path(there.path)) if here.node is not None else _into(lab, Path(here.path), there)
    raise click.exceptions.Exit(code)


def place_of(text: str) -> Place:
    """NODE:PATH, or a path of this host: one with a slash before any colon, as with docker cp."""
    node, colon, path = text.partition(":")
    if not colon or not node or "/" in node:
        return Place(None, text)
    if not path:
        raise UsageError(f"{text}: there is no path after the colon", mend="NODE:PATH, as in vm1:/tmp/file")
    return Place(node, path)


def _out(lab: str, source: Place, destination: Path) -> int:
    """The file comes whole or not at all."""
    final = destination / Path(source.path).name if destination.is_dir() else destination
    draft = final.with_name(f".{final.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            code = run(lab, source.node, [*READ, source.path], streams=Streams(stdin=None, stdout=file.fileno()))
        if code == 0:
            draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
    return code


def _into(lab: str, source: Path, destination: Place) -> int:
    if not source.is_file():
        raise UsageError(
            f"{source}: there is no such file", mend="name a file; for a folder: vpnlab exec NODE -- tar -x"
        )
    path = destination.path + source.name if destination.path.endswith("/") else destination.path
    with source.open("rb") as file:
        return run(lab, destination.node, [*WRITE, path], streams=Streams(stdin=file.fileno()))

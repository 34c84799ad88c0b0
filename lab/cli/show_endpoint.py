"""Tables about an endpoint that stands alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from lab.cli.show import BAD, GOOD, NOTE, plain_table
from lab.plan.mirror import TunnelSettings
from lab.plan.report import NodeReport


def mirror_tables(tunnels: Iterable[TunnelSettings]) -> RenderableType:
    """What the other end has to be set to: a table for each tunnel, and below all of them the traps, each once."""
    parts: list[RenderableType] = []
    notes: dict[str, str] = {}
    for tunnel in tunnels:
        table = plain_table("parameter", "here", "the other end")
        for setting in tunnel.settings:
            table.add_row(setting.parameter, setting.here, setting.there)
            if setting.note is not None:
                notes.setdefault(setting.parameter, setting.note)
        parts += [Text(f"tunnel {tunnel.tunnel}", style="bold"), table, Text()]
    traps = plain_table("beware", "")
    for parameter, note in notes.items():
        traps.add_row(parameter, Text(note, style=NOTE))
    return Group(*parts, traps)


def status_tables(report: NodeReport, lacking: Sequence[str]) -> RenderableType:
    """Tunnels, sessions and routes of the endpoint, and what lacks."""
    sessions = {session.name: session for session in (report.speaker.sessions if report.speaker else ())}
    tunnels = plain_table("tunnel", "interface", "IPsec", "BGP", "since", "learned")
    for tunnel in report.endpoint.tunnels if report.endpoint else ():
        session = sessions.get(tunnel.name)
        since = datetime.fromtimestamp(tunnel.since, UTC).isoformat(timespec="seconds")
        tunnels.add_row(
            tunnel.name,
            tunnel.interface,
            Text(tunnel.state.upper(), style=GOOD if tunnel.state == "up" else BAD),
            session.state.capitalize() if session else "-",
            since.removesuffix("+00:00") + "Z",
            " ".join(map(str, session.accepted)) if session else "",
        )
    parts: list[RenderableType] = [tunnels]
    if lacking:
        parts += [Text(), Text("lacking:", style=BAD), *(Text(f"  {text}") for text in lacking)]
    return Group(*parts)

"""Tables for people: they fit 80 columns, and reasons stand below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bgp.report import SessionReport
from endpoint.report import TunnelReport
from lab.cli.rates import rate_columns
from lab.cloud.high_availability import HaStatus
from lab.control.connections import connection_statuses
from lab.control.doctor import AREAS, Check
from lab.control.labs import KnownLab
from lab.control.pings import PingAnswer
from lab.control.status import Status
from lab.plan.model import LabPlan, TunnelPair
from lab.plan.report import LabReport, NodeReport, NodeStatus

if TYPE_CHECKING:
    from lab.image import ImageInfo

GOOD, BAD, NOTE = "green", "red", "yellow"
WIDE = 100
"""Columns from which on the tunnels' gateways are named beside their addresses."""
MOST_ROUTES = 20
"""Routes shown; -f json has them all (chosen: a screen)."""


def plain_table(*columns: str) -> Table:
    """A table without lines, as kubectl and docker print them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.upper(), overflow="fold")
    return table


def status_table(status: Status, width: int, pings: Iterable[PingAnswer] = ()) -> RenderableType:
    """The tunnels of a lab, the routes of both sides, and what is lacking."""
    plan, report = status.plan, status.report
    parts: list[RenderableType] = [Text(f"lab {plan.name} on {status.place.substrate}", style="bold"), Text()]
    parts += [_tunnels(plan, report, {answer.plan.tunnel: answer for answer in pings}, wide=width >= WIDE), Text()]
    parts += [_connections(plan, report), Text(), _rates(plan, report), Text(), _routes(plan, report)]
    if status.lacking:
        parts += [Text(), Text("not ready:", style=BAD)]
        parts += [Text(f"  {lack}") for lack in status.lacking]
    notes = [note for node in report.nodes for note in _notes(plan.called(node.name), node)]
    if notes:
        parts += [Text(), *(Text(note, style=NOTE) for note in notes)]
    return Group(*parts)


def pings_table(lab: LabPlan, answers: Iterable[PingAnswer]) -> Table:
    """The pings through the tunnels."""
    table = plain_table("tunnel", "from", "to", "round trip")
    called = {pair.name: pair.called for pair in lab.tunnels}
    for answer in answers:
        came = Text(answer.error or "no answer", style=BAD)
        if answer.round_trip_ms is not None:
            came = Text(f"{answer.round_trip_ms:.1f} ms", style=GOOD)
        plan = answer.plan
        source, destination = lab.called(plan.source_node), lab.called(plan.destination_node)
        table.add_row(called[plan.tunnel], f"{source} {plan.source}", f"{destination} {plan.destination}", came)
    return table


def labs_table(labs: Iterable[KnownLab]) -> Table:
    """All labs of this user."""
    table = plain_table("lab", "substrate", "state", "what to do")
    for lab in labs:
        state = Text("running", style=GOOD) if lab.running else Text("gone", style=BAD)
        mend = "" if lab.running else f"`vpnlab down --name {lab.name}`, or `up` again"
        table.add_row(lab.name, lab.substrate, state, mend)
    return table


def images_table(images: Iterable[ImageInfo], used: frozenset[str]) -> Table:
    """The images in the cache."""
    table = plain_table("key", "kind", "size", "built", "last used", "")
    for info in images:
        built, last = (f"{at.astimezone():%Y-%m-%d %H:%M}" for at in (info.built, info.last_used))
        size = f"{info.size_bytes / 1e6:.0f} MB"
        table.add_row(info.key, info.kind, size, built, last, "in use" if info.key in used else "")
    return table


def checks_table(checks: Iterable[Check]) -> RenderableType:
    """What was tried on this host, area by area; what helps stands below what is lacking."""
    styles = {"ok": GOOD, "lacking": BAD, "note": NOTE}
    found = tuple(checks)
    parts: list[RenderableType] = []
    for area, title in AREAS.items():
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(min_width=7)
        table.add_column()
        table.add_column(overflow="fold")
        for check in found:
            if check.area == area:
                table.add_row(Text(check.state, style=styles[check.state]), check.name, check.said)
                if check.mend is not None and check.state != "ok":
                    table.add_row("", "", Text(f"mend: {check.mend}"))
        if table.rows:
            parts += [Text(title, style="bold"), table]
    return Group(*parts)


def _tunnels(plan: LabPlan, report: LabReport, pings: dict[str, PingAnswer], *, wide: bool) -> Table:
    table = plain_table("tunnel", "cloud", "customer", "IPsec", "BGP", "ESP out/in", *(["ping"] if pings else []))
    for pair in plan.tunnels:
        here, there = _ends(pair, report)
        cloud, customer = (
            _place(plan.called(node), address, wide=wide)
            for node, address in ((pair.cloud_node, pair.cloud_address), (pair.idc_node, pair.customer_address))
        )
        row: list[RenderableType] = [pair.called, cloud, customer, _tunnel_state(here, there), _bgp_state(pair, report)]
        row.append(f"{here.child.packets_out}/{here.child.packets_in}" if here and here.child else "-")
        answer = pings.get(pair.name)
        if answer is not None and answer.round_trip_ms is not None:
            row.append(f"{answer.round_trip_ms:.1f} ms")
        table.add_row(*row)
    return table


def _connections(plan: LabPlan, report: LabReport) -> Table:
    table = plain_table("VPN connection", "border gateway", "customer gateway", "routing", "haStatus")
    for connection in connection_statuses(plan, report):
        named = connection.plan
        redundant = connection.ha_status is HaStatus.REDUNDANCY
        table.add_row(
            named.name,
            named.border_gateway,
            named.customer_gateway,
            "BGP" if named.bgp else "static",
            Text(connection.ha_status, style=GOOD if redundant else NOTE),
        )
    return table


def _rates(plan: LabPlan, report: LabReport) -> Table:
    table = plain_table("tunnel", "out plain", "out ESP", "in ESP", "in plain", "packets/s")
    for connection in connection_statuses(plan, report):
        for tunnel in connection.tunnels:
            table.add_row(tunnel.name, *rate_columns(tunnel.rates))
    return table


def _place(node: str, address: IPv4Address, *, wide: bool) -> str:
    return f"{node} {address}" if wide else str(address)


def _routes(plan: LabPlan, report: LabReport) -> RenderableType:
    table = plain_table("node", "learned", "over")
    rows = [
        (node.called, str(route.destination), f"{hop.interface} via {hop.via}" if hop.via else hop.interface)
        for node in plan.nodes
        if (seen := _seen(report, node.name)) is not None
        for route in sorted(seen.routes, key=lambda route: route.destination)
        if route.origin == "bgp"
        for hop in route.next_hops
    ]
    before: Sequence[str] = ("", "")
    for row in rows[:MOST_ROUTES]:
        same_node, same_route = row[0] == before[0], row[:2] == before[:2]
        table.add_row("" if same_node else row[0], "" if same_route else row[1], row[2])
        before = row
    if not rows:
        return Text("no route was learned")
    return Group(table, Text(f"and {len(rows) - MOST_ROUTES} more: -f json")) if len(rows) > MOST_ROUTES else table


def _seen(report: LabReport, node: str) -> NodeReport | None:
    return next((status.report for status in report.nodes if status.name == node), None)


def _ends(pair: TunnelPair, report: LabReport) -> tuple[TunnelReport | None, TunnelReport | None]:
    here, there = (_tunnel(_seen(report, node), pair.name) for node in (pair.cloud_node, pair.idc_node))
    return here, there


def _tunnel(seen: NodeReport | None, name: str) -> TunnelReport | None:
    tunnels = seen.endpoint.tunnels if seen and seen.endpoint else ()
    return next((tunnel for tunnel in tunnels if tunnel.name == name), None)


def _session(report: LabReport, node: str, name: str) -> SessionReport | None:
    seen = _seen(report, node)
    sessions = seen.speaker.sessions if seen and seen.speaker else ()
    return next((session for session in sessions if session.name == name), None)


def _tunnel_state(here: TunnelReport | None, there: TunnelReport | None) -> Text:
    """UP when both ends say so; otherwise the first end that does not."""
    for end in (here, there):
        if end is None:
            return Text("unknown", style=BAD)
        if end.state != "up":
            return Text(end.state.upper(), style=BAD)
    return Text("UP", style=GOOD)


def _bgp_state(pair: TunnelPair, report: LabReport) -> Text:
    """Established when both ends say so; otherwise the first end that does not. A tunnel may have no session."""
    sessions = [_session(report, node, pair.name) for node in (pair.cloud_node, pair.idc_node)]
    if not any(sessions):
        return Text("-")
    for session in sessions:
        if session is None or session.state != "established":
            return Text(session.state.capitalize() if session else "unknown", style=BAD)
    return Text("Established", style=GOOD)


def _notes(name: str, node: NodeStatus) -> Iterable[str]:
    """What happened to daemons and agents and was mended since."""
    seen = node.report
    if node.agent_last_exit:
        yield f"{name}: {node.agent_last_exit}" + ("" if node.stale else ", started again")
    if seen and seen.endpoint and seen.endpoint.restarts:
        yield f"{name}: charon was restarted {_times(seen.endpoint.restarts)}; last: {seen.endpoint.last_exit}"
    if seen and seen.speaker and seen.speaker.restarts:
        yield f"{name}: ExaBGP was restarted {_times(seen.speaker.restarts)}; last: {seen.speaker.last_exit}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

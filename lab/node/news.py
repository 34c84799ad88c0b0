"""What of a node's report is news. Pure."""

from __future__ import annotations

from lab.plan.report import NodeReport


def gist_of(report: NodeReport) -> object:
    """What a report says apart from counters, ages and the time: equal gists are no news."""
    tunnels = report.endpoint.tunnels if report.endpoint else ()
    return (
        [(port.name, port.up, port.mtu, port.addresses) for port in report.interfaces],
        report.routes,
        report.problems,
        report.endpoint and (report.endpoint.pid, report.endpoint.restarts),
        [
            (t.name, t.state, t.reason, t.ike and t.ike.spi_initiator, t.child and (t.child.spi_in, t.child.spi_out))
            for t in tunnels
        ],
        report.speaker,
        report.offers,
    )

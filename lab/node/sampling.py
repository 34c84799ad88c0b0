"""The counters of a border gateway's tunnels over the last seconds, so that a report tells rates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from endpoint.metering import Count, counter_in, counter_out
from endpoint.plan import TunnelPlan
from endpoint.report import InterfaceReport
from lab.cloud.rates import TunnelCounters
from lab.plan.report import TunnelTraffic

WINDOW_S = 10.0
"""Seconds over which a rate is a mean, or some more (chosen: the console shows minutes, but a trial takes seconds)."""
SPACING_S = 2.0
"""Seconds between two samples that are kept (chosen: less than the agent's longest rest)."""

Sample = Mapping[str, TunnelCounters]
"""The counters by tunnel, all of one moment."""


def sample(
    tunnels: Iterable[TunnelPlan], counts: Mapping[str, Count], ports: Iterable[InterfaceReport], at: float
) -> Sample:
    """What has passed the tunnels until `at`: inside by their XFRM interfaces, outside by the named counters."""
    inside = {port.name: port for port in ports}
    found = {}
    for tunnel in tunnels:
        port = inside.get(tunnel.interface)
        sent, came = (counts.get(name(tunnel.name)) for name in (counter_out, counter_in))
        if port is not None and sent is not None and came is not None:
            found[tunnel.name] = TunnelCounters(
                at, port.tx_bytes, sent.bytes, came.bytes, port.rx_bytes, port.tx_packets, port.rx_packets
            )
    return found


def kept(samples: tuple[Sample, ...], latest: Sample, at: float) -> tuple[Sample, ...]:
    """The samples that later rates need, the oldest first: one before the window, and some within it."""
    if not latest or (samples and at < _taken_at(samples[-1]) + SPACING_S):
        return samples
    samples = (*samples, latest)
    while len(samples) > 1 and _taken_at(samples[1]) <= at - WINDOW_S:
        samples = samples[1:]
    return samples


def traffic(samples: tuple[Sample, ...], latest: Sample) -> tuple[TunnelTraffic, ...]:
    """Each tunnel's counters now and at the beginning of the window, or as long ago as they are known."""
    return tuple(TunnelTraffic(name, _earlier(samples, name, now.at), now) for name, now in latest.items())


def _earlier(samples: tuple[Sample, ...], tunnel: str, now: float) -> TunnelCounters | None:
    known = [sample[tunnel] for sample in samples if tunnel in sample and sample[tunnel].at < now]
    before = [counters for counters in known if counters.at <= now - WINDOW_S]
    return before[-1] if before else next(iter(known), None)


def _taken_at(sample: Sample) -> float:
    return next(iter(sample.values())).at

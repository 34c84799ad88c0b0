"""Waiting until a lab's reports show what is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from lab.plan.codec import from_json
from lab.plan.lacks import Lack
from lab.plan.report import LabReport, NodeStatus
from lab.wire.client import Client, error_of
from lab.wire.messages import Message

Lacking = Callable[[LabReport], tuple[Lack, ...]]


def watch_until_nothing_lacks(
    client: Client, lab: str, lacking: Lacking, timeout_s: float, seen: Callable[[tuple[Lack, ...]], None],
    *, afresh: bool,
) -> tuple[LabReport, tuple[Lack, ...]]:  # fmt: skip
    """The first report in which nothing lacks, or the last one in time with what lacked in it.

    `seen` hears what lacks in each report. `afresh` has the agents look first: what they said last may be old. The
    session is spent afterwards: it goes on watching.
    """
    deadline = time.monotonic() + timeout_s
    if afresh:
        client.call("report", deadline_s=timeout_s)
    client.send({"call": "watch"})
    report = LabReport(lab, "", ())
    missing = lacking(report)
    while missing:
        message = client.receive(deadline - time.monotonic())
        if message is None:
            return report, missing
        report = _updated(report, message)
        missing = lacking(report)
        seen(missing)
    return report, missing


def _updated(report: LabReport, message: Message) -> LabReport:
    """The report with what a message of the watch brings: the whole lab at first, single nodes later."""
    if "lab" in message:
        return from_json(LabReport, message["lab"])
    if "error" in message:
        raise error_of(message["error"])
    status = from_json(NodeStatus, message["node"])
    return replace(report, nodes=tuple(status if node.name == status.name else node for node in report.nodes))

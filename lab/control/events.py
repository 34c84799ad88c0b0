"""What happened in a lab, told by its lab process."""

from __future__ import annotations

from collections.abc import Iterator

from lab.control.status import session_with
from lab.plan.codec import from_json
from lab.plan.report import LabEvent
from lab.substrate import pace

ANSWER_S = 10.0
"""Seconds for the next of the events that are there already, on the reference host."""


def events_of(name: str, *, since: int, follow: bool) -> Iterator[LabEvent]:
    """The events numbered above `since`, and with `follow` those to come, for ever."""
    deadline_s = None if follow else ANSWER_S * pace.slowness()
    with session_with(name) as client:
        for message in client.stream("events", deadline_s=deadline_s, since=since, follow=follow):
            if "event" in message:
                yield from_json(LabEvent, message["event"])

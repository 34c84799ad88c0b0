"""A fault while it lasts: noted before it is done, and undone whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from lab.control.fault import FaultNote, forget_fault, note_fault
from lab.control.progress import Progress
from lab.control.readiness import lacks
from lab.trial.running import RunningLab

BACK_S = 60.0
"""Seconds that a lab is given to be as it was, on the reference host (chosen: as long as it may take to come up)."""


@contextmanager
def in_force(lab: RunningLab, note: FaultNote, progress: Progress) -> Iterator[Callable[[], None]]:
    """For the block, in which a fault is done. It is to call what it is given, which undoes the fault.

    A block that ends without it - by an error, or because it was interrupted - has the fault undone here, and the lab
    awaited. What is left after a second interruption, or a kill, is undone by the next `vpnlab up`.
    """
    note_fault(lab.plan.name, note)
    done = False

    def undo() -> None:
        nonlocal done
        _undo(lab)
        done = True

    try:
        yield undo
    finally:
        if not done:
            progress.doing(f"undoing {note.fault} on {note.tunnel}")
            with lab.computer.connect() as client:  # the other session may have been interrupted in a call
                again = replace(lab, client=client)
                _undo(again)
                again.wait_until_nothing_lacks(lambda report: lacks(lab.plan, report), BACK_S)


def _undo(lab: RunningLab) -> None:
    lab.give(lab.plan)
    forget_fault(lab.client, lab.plan.name, lab.report())

"""End a lab and everything that is left of it. Works by name alone, and as often as one likes."""

from __future__ import annotations

from collections.abc import Callable

from lab.control import record
from lab.control.computers import any_computer_of, computer_of


def take_down(name: str, waiting: Callable[[], None] = lambda: None) -> bool:
    """End the lab; False when there was nothing to end. `waiting` is called when another command holds the lab."""
    with record.locked(name, waiting):
        if name not in record.names():
            return False
        place = record.read_place(name)
        for computer in (computer_of(name, place),) if place else any_computer_of(name):
            computer.stop()
        record.forget(name)
        return True

"""All labs of this user on this host."""

from __future__ import annotations

from dataclasses import dataclass

from lab.control import record
from lab.control.computers import computer_of, place_of
from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class KnownLab:
    """A lab that was started here: whether its computer runs now, and the image that a machine has booted."""

    name: str
    substrate: str
    why: str
    running: bool
    image: str | None


def all_labs() -> tuple[KnownLab, ...]:
    """Every lab that was started and not taken down, in order of names."""
    found = []
    for name in record.names():
        place = place_of(name)
        if place is not None:
            found.append(KnownLab(name, place.substrate, place.why, _runs(name, place), record.read_image(name)))
    return tuple(found)


def _runs(name: str, place: record.Place) -> bool:
    try:
        return computer_of(name, place).running()
    except LabError:  # started by another version, on a substrate that is none any more
        return False


def images_in_use() -> frozenset[str]:
    """The keys of the images that labs have booted which run, or which a command is bringing up."""
    used = (lab for lab in all_labs() if lab.running or record.is_held(lab.name))
    return frozenset(lab.image for lab in used if lab.image is not None)

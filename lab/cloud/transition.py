"""The steps from one set of resources to another, in an order that the cloud takes. Pure.

Tunnels are disabled first and enabled last, so that a tunnel that one file disables and changes at once is changed
while it is DOWN, and so is one that is changed and enabled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lab.cloud.deletion import deletion_order, refused_deletions
from lab.cloud.modification import refused_modifications
from lab.cloud.resources import ORDER_OF_CREATION, Key, Kind, Resources, admin_up, changed_settings
from lab.cloud.tunnel_status import ADMIN
from lab.errors import Problem


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `settings` names what a modification changes."""

    action: Literal["disable", "delete", "modify", "create", "enable"]
    key: Key
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """All steps, and what the cloud refuses of them. With a refusal none of the steps is to be taken."""

    steps: tuple[Step, ...]
    refused: tuple[Problem, ...]


def transition(old: Resources, new: Resources) -> Transition:
    """From what there is to what is wanted. No steps where nothing differs."""
    going = [key for key in old if key not in new]
    refused = (*refused_deletions(old, going), *refused_modifications(old, new))
    steps = (
        *_switched(old, new, action="disable"),
        *(Step("delete", key) for key in deletion_order(going)),
        *_modified(old, new),
        *(Step("create", key) for key in creation_order(old, new)),
        *_switched(old, new, action="enable"),
    )
    return Transition(steps, refused)


def creation_order(old: Resources, new: Resources) -> tuple[Key, ...]:
    """What is new, in an order in which everything comes after what it stands on."""
    return tuple(sorted((key for key in new if key not in old), key=lambda key: ORDER_OF_CREATION.index(key.kind)))


def _modified(old: Resources, new: Resources) -> Iterator[Step]:
    for key, now in new.items():
        before = old.get(key)
        changed = tuple(name for name in changed_settings(before, now) if name != ADMIN) if before else ()
        if changed:
            yield Step("modify", key, changed)


def _switched(old: Resources, new: Resources, action: Literal["disable", "enable"]) -> Iterator[Step]:
    for key, now in new.items():
        if key.kind is not Kind.VPN_TUNNEL or key not in old:
            continue
        if admin_up(old[key]) == (action == "disable") and admin_up(now) == (action == "enable"):
            yield Step(action, key)

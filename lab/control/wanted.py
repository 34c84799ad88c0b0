"""What a lab was asked to be, remembered beside its plan: its spec and the numbers given to it. Keys lie elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lab.control import record
from lab.control.status import known
from lab.errors import LabSaysNo
from lab.plan.allocations import Allocations
from lab.plan.codec import from_json, to_json
from lab.spec.dumping import dumped
from lab.spec.model import LabSpec


@dataclass(frozen=True, slots=True)
class Wanted:
    """A spec, and the numbers that its things have in the lab."""

    spec: LabSpec
    allocations: Allocations


def remember(wanted: Wanted, keys: Mapping[str, str]) -> None:
    """Keep what a lab is asked to be. The keys go into a file of their own."""
    name = wanted.spec.name
    record.write_keys(name, keys)
    record.write_wanted(name, {"spec": tree_of(wanted.spec), "allocations": to_json(wanted.allocations)})


def recall(name: str) -> Wanted | None:
    """What a lab was asked to be last; None when nothing is known of it, or nothing that can be read."""
    data = record.read_wanted(name)
    if not isinstance(data, dict):
        return None
    try:
        spec = LabSpec.model_validate(data.get("spec"))
        return Wanted(spec, from_json(Allocations, data.get("allocations")))
    except (ValidationError, ValueError):
        return None


def recalled(name: str) -> Wanted:
    """What a lab was asked to be last. Raises UsageError for a lab that nobody knows, LabSaysNo where it is lost."""
    known(name)
    wanted = recall(name)
    if wanted is None:
        raise LabSaysNo(
            f"nothing is remembered of what lab {name} was asked to be",
            mend=f"`vpnlab down --name {name}`, then `vpnlab up`",
        )
    return wanted


def recalled_allocations(name: str) -> Allocations | None:
    """The numbers that the things of a lab have; None for a lab that is new here."""
    wanted = recall(name)
    return wanted.allocations if wanted else None


def tree_of(spec: LabSpec) -> dict[str, Any]:
    """A spec as the mappings and lists of a file, without any key."""
    tree = dumped(spec)
    for connection in tree["cloud"]["vpn_connections"].values():
        for tunnel in connection["tunnels"] or ():
            tunnel["psk"] = None
    return tree

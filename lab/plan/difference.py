"""What lies between a lab and a file: the cloud's steps and refusals, and what changes beside the cloud. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lab.cloud.transition import Step, transition
from lab.errors import Problem
from lab.plan.allocations import Allocations
from lab.plan.model import LabPlan
from lab.plan.resources import resources_of
from lab.spec.model import LabSpec


@dataclass(frozen=True, slots=True)
class Asked:
    """A topology with the numbers and the keys (by tunnel) that its things have, or are to have."""

    spec: LabSpec
    allocations: Allocations
    keys: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Difference:
    """The steps from a lab to what is asked for. `beside` names what changes outside the cloud, in words."""

    steps: tuple[Step, ...]
    refused: tuple[Problem, ...]
    beside: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.steps or self.beside)


def difference(now: Asked, then: Asked) -> Difference:
    """What lies between the two; all of it or, with a refusal, nothing is to be done."""
    old, new = (resources_of(asked.spec, asked.allocations, asked.keys) for asked in (now, then))
    change = transition(old, new)
    return Difference(change.steps, change.refused, tuple(_beside(now.spec, then.spec)))


def going_down(before: LabPlan, after: LabPlan) -> tuple[str, ...]:
    """The tunnels that are enabled before and not afterwards, by name: what they carry has to leave them first."""
    up = enabled_tunnels(after)
    return tuple(name for name in enabled_tunnels(before) if name not in up)


def enabled_tunnels(plan: LabPlan) -> tuple[str, ...]:
    """The tunnels whose admin status is UP, by name."""
    return tuple(
        pair.name
        for pair in plan.tunnels
        if (endpoint := plan.node(pair.cloud_node).endpoint) is not None
        for tunnel in endpoint.tunnels
        if tunnel.name == pair.name and tunnel.admin_up
    )


def _beside(old: LabSpec, new: LabSpec) -> Iterator[str]:
    if old.timers != new.timers:
        yield f"timers: {old.timers} becomes {new.timers}"
    for name in dict.fromkeys((*old.idc.devices, *new.idc.devices)):
        before, after = old.idc.devices.get(name), new.idc.devices.get(name)
        if before != after:
            how = "is new" if before is None else "goes" if after is None else "changes"
            yield f"idc.devices.{name}: {how}"

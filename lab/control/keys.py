"""The tunnels' pre-shared keys: the file's, else the ones kept, else new ones."""

from __future__ import annotations

from secrets import SystemRandom

from lab.cloud.keys import generate_psk
from lab.control import record
from lab.plan.allocations import Numbering
from lab.plan.compile import Compiled
from lab.plan.tunnels import written_keys
from lab.spec.model import LabSpec


def keys_of(spec: LabSpec, compiled: Compiled) -> dict[str, str]:
    """The key of each tunnel, by the tunnel's name: the file's, else the one it had, else a new one."""
    plan = compiled.plan
    kept, written = record.read_keys(plan.name), written_keys(spec, Numbering(compiled.allocations))
    chance = SystemRandom()
    return {pair.name: written.get(pair.name) or kept.get(pair.name) or generate_psk(chance) for pair in plan.tunnels}

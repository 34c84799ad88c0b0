"""The tunnels' pre-shared keys: the file's, else the ones kept, else new ones."""

from __future__ import annotations

from secrets import SystemRandom

from lab.cloud.keys import generate_psk
from lab.control import record
from lab.plan.model import LabPlan
from lab.plan.tunnels import written_keys
from lab.spec.model import LabSpec


def keys_of(spec: LabSpec, plan: LabPlan) -> dict[str, str]:
    """The key of each tunnel, by the tunnel's name; new ones are kept for the next time."""
    kept, written = record.read_keys(plan.name), written_keys(spec)
    chance = SystemRandom()
    keys = {pair.name: written.get(pair.name) or kept.get(pair.name) or generate_psk(chance) for pair in plan.tunnels}
    record.write_keys(plan.name, keys)
    return keys

"""How long a lab may take to become what it is to be. Pure but for the host's slowness."""

from __future__ import annotations

from lab.plan.model import LabPlan
from lab.substrate import pace

BASE_S = 60.0
"""Seconds that a lab is given on the reference host (chosen: many times what the reference lab takes)."""
CONTAINER_S = 15.0
"""Seconds more for each node that is a container (chosen: each has an interpreter of its own to start; in a busy
guest without KVM labs of many containers were not even made within 60 s)."""


def ready_s(plan: LabPlan, substrate: str) -> float:
    """Seconds on this host, as slow as it is now, for a lab to be made and to become ready."""
    are_containers = substrate in ("docker", "microvm-docker")
    return pace.slowness() * (BASE_S + (CONTAINER_S * len(plan.nodes) if are_containers else 0.0))

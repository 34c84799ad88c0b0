"""Admin and operational status of a VPN tunnel, and what they allow. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from lab.errors import Problem

ADMIN = "admin"
"""The one parameter of a tunnel that changes while its admin status is UP."""

DESCRIPTION = "description"
"""What is no parameter, and changes at any time."""

WHY = "the cloud lets only what carries no traffic be changed or deleted"


class Status(StrEnum):
    """UP or DOWN: as admin status what the user wants, as operational status what is so."""

    UP = "UP"
    DOWN = "DOWN"


def operational_status(admin: Status, *, negotiated: bool, path_up: bool) -> Status:
    """Whether a tunnel is usable: enabled, its child SA installed, and the port below it up."""
    return Status.UP if admin is Status.UP and negotiated and path_up else Status.DOWN


def refused_modification(tunnel: str, admin: Status, parameters: Collection[str]) -> Problem | None:
    """Why these parameters (in the file's spelling) of a tunnel cannot be changed now; None when they can."""
    changed = sorted(set(parameters) - {ADMIN, DESCRIPTION})
    if not changed or admin is Status.DOWN:
        return None
    what = f"{', '.join(changed)} cannot be changed while admin status is UP"
    return Problem(f"tunnel {tunnel}", what, WHY, "disable the tunnel, change it, enable it again")


def refused_deletion(tunnel: str, admin: Status) -> Problem | None:
    """Why a tunnel cannot be deleted now; None when it can."""
    if admin is Status.DOWN:
        return None
    return Problem(f"tunnel {tunnel}", "cannot be deleted while admin status is UP", WHY, "disable the tunnel first")

"""Writes a lab's bundles and keys into a folder, beside a topology that names them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from secrets import SystemRandom

from lab.cloud.keys import generate_psk
from lab.errors import UsageError
from lab.export.bundles import bundles
from lab.export.containerlab import bundle_file, keys_file
from lab.plan.bundle import keys_of
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.plan.model import LabPlan
from lab.plan.tunnels import written_keys
from lab.spec.model import LabSpec


def export(spec: LabSpec, directory: Path) -> LabPlan:
    """Write each node's bundle and keys; the plan that they are of. Raises UsageError.

    The keys are the file's; for the others those that an earlier export left in this folder, or else new ones.
    """
    plan = compile_plan(spec)
    keys = {pair.name: generate_psk(SystemRandom()) for pair in plan.tunnels}
    keys |= _kept(plan, directory) | written_keys(spec)
    try:
        for name, bundle in bundles(plan).items():
            write_anew(directory / bundle_file(name), json.dumps(to_json(bundle), indent=2) + "\n", 0o644)
            own = keys_of(bundle.plan, keys)
            if own:
                write_anew(directory / keys_file(name), json.dumps(own, indent=2) + "\n", 0o600)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}", mend="name a folder that can be written") from error
    return plan


def _kept(plan: LabPlan, directory: Path) -> dict[str, str]:
    kept: dict[str, str] = {}
    for node in plan.nodes:
        with suppress(OSError, ValueError):
            found = json.loads((directory / keys_file(node.name)).read_bytes())
            kept |= _texts(found) if isinstance(found, dict) else {}
    return kept


def _texts(found: Mapping[str, object]) -> dict[str, str]:
    return {name: key for name, key in found.items() if isinstance(key, str)}


def write_anew(path: Path, text: str, mode: int) -> None:
    """Write a file with this mode, in the place of one that may have had another; its folder is made."""
    path.parent.mkdir(mode=0o755 if mode & 0o004 else 0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # its mode is that of its making
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "w") as file:
        file.write(text)

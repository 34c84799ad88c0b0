"""The project where a lab's nodes are: a guest holds a part of it, this host all."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import LiveLab

ROOT = Path(__file__).parents[2]
BESIDE_ME = Path(__file__).parent
FOLDER = "/tmp/sources"  # noqa: S108 - in the guest, which is this test run's own


def python(lab: LiveLab) -> list[str]:
    """An interpreter beside the nodes of a lab that finds the project's modules and `lone_nodes`.

    The sources are put into a guest for it. On this host it is the one that runs the tests.
    """
    if not lab.substrate.startswith("microvm"):
        return ["env", f"PYTHONPATH={ROOT}:{BESIDE_ME}", sys.executable]
    assert lab.exec(None, ["mkdir", "-p", FOLDER]).returncode == 0
    assert lab.exec(None, ["tar", "-C", FOLDER, "-xf", "-"], stdin=sources()).returncode == 0
    return ["env", f"PYTHONPATH={FOLDER}", "python3"]


def sources() -> bytes:
    """The project's packages as a tar archive, and `lone_nodes` at its top."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for package in ("lab", "endpoint", "bgp"):
            for path in sorted((ROOT / package).rglob("*.py")):
                tar.add(path, arcname=str(path.relative_to(ROOT)))
        tar.add(BESIDE_ME / "lone_nodes.py", arcname="lone_nodes.py")
    return archive.getvalue()

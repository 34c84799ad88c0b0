"""The project's sources where a lab's nodes are, beside what the image holds of them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import LiveLab

ROOT = Path(__file__).parents[2]
FOLDER = "/tmp/sources"  # noqa: S108 - in the guest, which is this test run's own


def sources(*more: Path) -> bytes:
    """The project's packages as a tar archive, and more files at its top."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for package in ("lab", "endpoint", "bgp"):
            for path in sorted((ROOT / package).rglob("*.py")):
                tar.add(path, arcname=str(path.relative_to(ROOT)))
        for path in more:
            tar.add(path, arcname=path.name)
    return archive.getvalue()


def put_sources(lab: LiveLab, *more: Path) -> None:
    """Put the sources and more files into FOLDER beside the nodes of a lab."""
    assert lab.exec(None, ["mkdir", "-p", FOLDER]).returncode == 0
    assert lab.exec(None, ["tar", "-C", FOLDER, "-xf", "-"], stdin=sources(*more)).returncode == 0

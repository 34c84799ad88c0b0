"""The Python libraries of the guest: those of the environment that runs the project, file by file.

They are pure Python, so the files that serve the host's interpreter serve the guest's. No index is
asked, and both sides run the same versions.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from lab.errors import HostCannot

GUEST_LIBRARIES = ("exabgp", "pyroute2", "vici", "cattrs", "attrs", "typing_extensions")
INSTEAD = {"pyroute2/__init__.py": "pyroute2/minimal.py"}
"""What stands for a file of a library in the guest. pyroute2 is as its distribution pyroute2.minimal has it: without
the database of the network, which would be imported before a guest answers. On the host it is as it is, for an
environment cannot have both distributions, and another program there may use all of it."""


@dataclass(frozen=True, slots=True)
class Library:
    """One installed distribution; `files` maps the path below dist-packages to the file on the host."""

    name: str
    version: str
    digest: str
    files: Mapping[str, Path]


def installed_libraries(names: Iterable[str] = GUEST_LIBRARIES) -> tuple[Library, ...]:
    """The libraries as this interpreter finds them. Raises HostCannot for one that cannot be carried over."""
    return tuple(_library(name) for name in names)


def _library(name: str) -> Library:
    again = 'reinstall the project\'s environment with pip ("pip install -e .")'
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise HostCannot(f"the Python library {name}, which the guest needs, is not installed", mend=again) from None
    record, wheel = found.read_text("RECORD"), found.read_text("WHEEL")
    if record is None or wheel is None or found.files is None:
        raise HostCannot(f"the Python library {name} does not say which files it has", mend=again)
    if "Root-Is-Purelib: true" not in wheel:
        raise HostCannot(f"the Python library {name} {found.version} holds machine code for this host", mend=again)
    return Library(name, found.version, hashlib.sha256(record.encode()).hexdigest(), _files(found))


def _files(found: Distribution) -> Mapping[str, Path]:
    # Scripts and examples (above the libraries' folder) and this interpreter's byte code stay on the host.
    kept = {
        str(path): Path(str(path.locate()))
        for path in found.files or ()
        if ".." not in path.parts and "__pycache__" not in path.parts
    }
    return kept | {name: kept[smaller] for name, smaller in INSTEAD.items() if smaller in kept}


def library_archive(libraries: Iterable[Library]) -> bytes:
    """A tar of all files of the libraries, owned by root, to be unpacked in dist-packages."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for library in libraries:
            for name, path in sorted(library.files.items()):
                tar.add(path, name, recursive=False, filter=_as_root)
    return buffer.getvalue()


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o644
    return member

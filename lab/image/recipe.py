"""The recipe: all that decides what an image holds, and the keys that follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from lab.image.libraries import Library

SUITE = "trixie"
# Raise it when the code that builds changes what comes out: the folder's layout, a file's form.
FORMAT = 3
KEY_DIGITS = 16

NodeKind = Literal["namespaces", "containers"]
"""What the nodes in a guest are. Each kind has an image of its own: Docker's programs double its size."""
RESIDENTS: dict[NodeKind, str] = {"namespaces": "lab.runtime.guest", "containers": "lab.runtime.container_guest"}
"""The module that is started in the guest."""
IN_CONTAINERS = ("lab.runtime.contained", "lab.runtime.alone", "lab.runtime.health", "lab.control.conducting")
"""The modules that are started in containers."""
GATHERED = "lab.gathered"
"""What imports the resident process from two files: that of the base, which its source writes, and the project's."""
COMMAND = ("lab.cli.main", "lab.cli.verbs.endpoint")
"""The command in containers, with the one verb that is meant for there: verbs are imported by name."""
CONTAINER_FILES = (
    "Dockerfile", "install", "libraries.txt", "healthy", "image/packages.txt", "image/command-packages.txt",
)  # fmt: skip
"""The files of compose/ from which the containers' image is built."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The files of compose/image, read. `modules`, `build` and `gathered` are handed to the build as they are.

    `programs` are the project's modules that are started in the guest, the resident process first. `beside` holds
    files that lie beside the project's packages there, by relative path.
    """

    packages: tuple[str, ...]
    modules: str
    build: str
    gathered: str
    init: bytes
    start: bytes
    programs: tuple[str, ...]
    beside: Mapping[str, bytes]


def read_recipe(nodes: NodeKind = "namespaces") -> Recipe:
    """The recipe that comes with this version of the project."""
    compose = files("compose")
    folder = compose.joinpath("image")
    packages, modules = folder.joinpath("packages.txt").read_text(), folder.joinpath("modules.txt").read_text()
    programs: tuple[str, ...] = (RESIDENTS[nodes], GATHERED)
    beside = {"resident": f"{RESIDENTS[nodes]}\n".encode()}
    if nodes == "containers":
        packages += "".join(folder.joinpath(f"{kind}-packages.txt").read_text() for kind in ("docker", "command"))
        modules += folder.joinpath("docker-modules.txt").read_text()
        programs += IN_CONTAINERS + COMMAND
        beside |= {f"compose/{name}": compose.joinpath(name).read_bytes() for name in CONTAINER_FILES}
    return Recipe(
        packages=package_names(packages),
        modules=modules,
        build=folder.joinpath("build.sh").read_text(),
        gathered=files("lab").joinpath("gathered.py").read_text(),
        init=folder.joinpath("init").read_bytes(),
        start=folder.joinpath("start").read_bytes(),
        programs=programs,
        beside=beside,
    )


def package_names(text: str) -> tuple[str, ...]:
    """One package a line; "#" begins a comment."""
    names = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(name for name in names if name)


def base_key(recipe: Recipe, libraries: Iterable[Library]) -> str:
    """The key of Debian, kernel and libraries. Order and comments of the package list do not count.

    Debian's package versions are not in it: they are known only after asking a mirror, and an
    image that is there must serve without a network.
    """
    parts = [str(FORMAT), SUITE, recipe.modules, recipe.build, recipe.gathered, *sorted(recipe.packages)]
    parts += sorted(f"{library.name} {library.version} {library.digest}" for library in libraries)
    return _digest(part.encode() for part in parts)


def project_key(base: str, recipe: Recipe, sources: Mapping[str, bytes]) -> str:
    """The key of a base with the project on it; `sources` maps the path in the guest to the text."""
    parts = [str(FORMAT).encode(), base.encode(), recipe.init, recipe.start]
    for files_by_name in (recipe.beside, sources):
        for name in sorted(files_by_name):
            parts += [name.encode(), files_by_name[name]]
    return _digest(parts)


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        # With its length in front no two lists of parts give the same bytes.
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:KEY_DIGITS]

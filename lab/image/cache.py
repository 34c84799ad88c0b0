"""The images on this host: make what is missing, list, remove."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from lab.errors import UsageError
from lab.image.base import build_base
from lab.image.libraries import installed_libraries
from lab.image.project import build_project, project_sources
from lab.image.recipe import NodeKind, base_key, project_key, read_recipe
from lab.image.store import Store, cache_root

KEPT = 4
"""Images, and bases, that stay for having been used last, besides those in use (chosen: two checkouts, each with its
last change; an image with its snapshot has 180 MB, a base 160 MB)."""
BASE = "base-"
IMAGE = "image-"


@dataclass(frozen=True, slots=True)
class GuestImage:
    """What a machine boots. Whatever belongs to it (a snapshot) may be put into `directory` and goes with it."""

    directory: Path
    key: str
    kernel: Path
    initramfs: Path
    root: Path


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """One folder of the cache. An image is the project's layer on a base; `base` is the base's key, also of a base."""

    key: str
    kind: Literal["base", "image"]
    base: str
    directory: Path
    size_bytes: int
    built: datetime
    last_used: datetime


def ensure(progress: Callable[[str], None], keep: Iterable[str] = (), nodes: NodeKind = "namespaces") -> GuestImage:
    """The image of this project on this host for nodes of that kind, built where it is missing. Raises HostCannot.

    A new image takes the place of one that has not been used for long; the keys in `keep` stay.
    """
    store = Store(cache_root())
    recipe, libraries = read_recipe(nodes), installed_libraries()
    sources = project_sources(recipe.programs)

    def waiting() -> None:
        progress("image: another process is building it; waiting")

    below = base_key(recipe, libraries)
    log = store.root / f"{BASE}{below}.log"
    base = store.make(f"{BASE}{below}", lambda into: build_base(into, below, recipe, libraries, log, progress), waiting)
    key = project_key(below, recipe, {name: path.read_bytes() for name, path in sources.items()})
    is_new = not store.folder(f"{IMAGE}{key}").is_dir()
    image = store.make(f"{IMAGE}{key}", lambda into: build_project(into, key, base, recipe, sources, progress), waiting)
    if is_new:
        _prune(keep)
    return GuestImage(image, key, base / "vmlinux", image / "initramfs", base / "root.erofs")


def find(nodes: NodeKind = "namespaces") -> GuestImage | None:
    """The image of this project on this host when it is built; nothing is built. Raises HostCannot."""
    store = Store(cache_root())
    recipe = read_recipe(nodes)
    sources = project_sources(recipe.programs)
    below = base_key(recipe, installed_libraries())
    key = project_key(below, recipe, {name: path.read_bytes() for name, path in sources.items()})
    base, image = store.folder(f"{BASE}{below}"), store.folder(f"{IMAGE}{key}")
    there = base.is_dir() and image.is_dir()
    return GuestImage(image, key, base / "vmlinux", image / "initramfs", base / "root.erofs") if there else None


def base_is_built() -> bool:
    """Whether the base of this project's image is there: then nothing but the project's layer is missing."""
    return Store(cache_root()).folder(f"{BASE}{base_key(read_recipe(), installed_libraries())}").is_dir()


def list_images() -> tuple[ImageInfo, ...]:
    """All that is in the cache, the most recently used first."""
    store = Store(cache_root())
    names = [name for name in store.names() if name.startswith((BASE, IMAGE))]
    found = [info for name in names if (info := _info(store, name)) is not None]
    return tuple(sorted(found, key=lambda info: info.last_used, reverse=True))


def remove(key: str | None, in_use: Iterable[str] = ()) -> tuple[ImageInfo, ...]:
    """Remove the image or base that `key` (or the beginning of one) names, with what is built on it; None means all.

    `in_use` holds the keys of images that labs have booted which run, or are being started. Raises UsageError for a key
    that names none, several, or one in use; nothing is removed then. With None what is in use stays. Returns what went.
    """
    infos, used = list_images(), _with_bases(frozenset(in_use))
    chosen = infos if key is None else _named(key, infos)
    doomed = {info.key for info in chosen} | {info.key for info in infos if info.base in {one.key for one in chosen}}
    if key is not None and doomed & used:
        raise UsageError(
            f"image {chosen[0].key} is in use by a running lab",
            mend='end the lab first ("vpnlab down"), or wait until the command that starts it is done',
        )
    store = Store(cache_root())
    # Images before bases: an interrupted removal leaves no image without its base.
    going = sorted((info for info in infos if info.key in doomed - used), key=lambda info: info.kind == "base")
    for info in going:
        store.remove(info.directory.name)
    return tuple(going)


def _prune(keep: Iterable[str]) -> None:
    """Remove images and bases that nobody has used lately, but for those in `keep` and what they are built on."""
    images = [info for info in list_images() if info.kind == "image"]
    bases = [info for info in list_images() if info.kind == "base"]
    old = _beyond_the_newest(images, frozenset(keep))
    old += _beyond_the_newest(bases, frozenset(info.base for info in images if info not in old))
    store = Store(cache_root())
    for info in old:
        with suppress(OSError):  # what cannot go now goes another time
            store.remove(info.directory.name)


def _beyond_the_newest(infos: list[ImageInfo], keep: frozenset[str]) -> list[ImageInfo]:
    return [info for info in infos[KEPT:] if info.key not in keep]


def _named(key: str, infos: tuple[ImageInfo, ...]) -> tuple[ImageInfo, ...]:
    found = tuple(info for info in infos if info.key.startswith(key))
    if len(found) != 1:
        what = "no image has the key" if not found else f"{len(found)} images have a key that begins with"
        raise UsageError(f"{what} {key!r}", mend='see "vpnlab image list"')
    return found


def _with_bases(images: frozenset[str]) -> frozenset[str]:
    return images | {info.base for info in list_images() if info.key in images}


def _info(store: Store, name: str) -> ImageInfo | None:
    """What is known of a folder; None when another command has just removed it."""
    directory = store.folder(name)
    key = name.partition("-")[2]
    try:
        manifest = json.loads((directory / "manifest.json").read_text())
        return ImageInfo(
            key=key,
            kind="base" if name.startswith(BASE) else "image",
            base=str(manifest.get("base", key)).removeprefix(BASE),
            directory=directory,
            size_bytes=_size(directory),
            built=datetime.fromisoformat(manifest["built"]),
            last_used=datetime.fromtimestamp(store.last_used(name), UTC),
        )
    except FileNotFoundError:
        return None


def _size(directory: Path) -> int:
    """The bytes that a folder takes on the disk: a snapshot's memory is sparse. Files may come and go meanwhile."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(folder, name).lstat().st_blocks * 512
    return total

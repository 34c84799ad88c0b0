import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.image import list_images, remove
from lab.image.cache import KEPT, _prune
from lab.image.store import cache_root


def add(name: str, last_used: float, **manifest: str) -> None:
    folder = cache_root() / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"built": "2026-01-02T03:04:05+00:00", **manifest}))
    (folder / "last-used").touch()
    os.utime(folder / "last-used", (last_used, last_used))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    add("base-b1", 30)
    add("base-b2", 40)
    add("image-a11", 10, base="base-b1")
    add("image-a12", 20, base="base-b1")
    add("image-a21", 50, base="base-b2")


def keys() -> list[str]:
    return [info.key for info in list_images()]


def test_images_are_listed_with_their_base_the_last_used_first() -> None:
    assert [(info.key, info.kind, info.base) for info in list_images()][:3] == [
        ("a21", "image", "b2"),
        ("b2", "base", "b2"),
        ("b1", "base", "b1"),
    ]


def test_an_image_is_removed_by_the_beginning_of_its_key_and_its_base_stays() -> None:
    assert [info.key for info in remove("a2")] == ["a21"]
    assert keys() == ["b2", "b1", "a12", "a11"]


def test_a_base_goes_with_its_images() -> None:
    assert [info.key for info in remove("b1")][-1] == "b1"
    assert keys() == ["a21", "b2"]


@pytest.mark.parametrize("key", ["a21", "b2"])
def test_what_a_running_lab_uses_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="in use by a running lab"):
        remove(key, in_use=["a21"])
    assert len(keys()) == 5


def test_removing_all_leaves_what_a_running_lab_uses() -> None:
    remove(None, in_use=["a21"])
    assert keys() == ["a21", "b2"]


@pytest.mark.parametrize(("key", "what"), [("zz", "no image has"), ("a1", "2 images")])
def test_an_unclear_key_is_refused(key: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        remove(key)


def test_what_has_not_been_used_for_long_makes_room_for_what_is_new() -> None:
    for number in range(KEPT):
        add(f"image-new{number}", 100 + number, base="base-b2")
    _prune(keep=["a12"])
    assert keys() == [f"new{number}" for number in reversed(range(KEPT))] + ["b2", "b1", "a12"]


def test_a_base_that_no_image_needs_goes_once_others_are_newer() -> None:
    for number in range(KEPT):
        add(f"base-new{number}", 100 + number)
    _prune(keep=[])
    assert "b2" in keys(), "image a21 is built on it"
    remove("a2")
    _prune(keep=[])
    assert "b2" not in keys()


def test_what_cannot_be_removed_stays_without_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(KEPT):
        add(f"image-new{number}", 100 + number, base="base-b2")

    def refuse(_store: object, _name: str) -> None:
        raise PermissionError

    monkeypatch.setattr("lab.image.cache.Store.remove", refuse)
    _prune(keep=[])
    assert "a11" in keys()


def test_what_another_command_is_removing_is_not_listed_and_not_in_the_way() -> None:
    (cache_root() / "image-a21" / "manifest.json").unlink()
    assert keys() == ["b2", "b1", "a12", "a11"]
    _prune(())


def test_a_file_that_goes_while_an_image_is_measured_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [info.size_bytes for info in list_images()]
    walk = os.walk

    def more(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for place, below, names in walk(folder):
            yield place, below, [*names, "gone by now"]

    monkeypatch.setattr(os, "walk", more)
    assert [info.size_bytes for info in list_images()] == there

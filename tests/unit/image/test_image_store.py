import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from lab.image.store import Store

DEADLINE_S = 20
fork = multiprocessing.get_context("fork")


def nobody_waits() -> None:
    pytest.fail("nobody else is building")


def build(into: Path) -> None:
    (into / "root").write_text("whole")


def build_slowly(root: Path, began: Event, go_on: Event) -> None:
    def slowly(into: Path) -> None:
        (into / "root").write_text("half")
        began.set()
        go_on.wait(DEADLINE_S)
        build(into)

    Store(root).make("base-1", slowly, nobody_waits)


def test_a_folder_is_built_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "images")
    assert store.make("base-1", build, nobody_waits) == store.folder("base-1")
    store.make("base-1", lambda _: pytest.fail("built twice"), nobody_waits)
    assert store.names() == ("base-1",)


def test_a_second_builder_waits_and_uses_what_the_first_made(tmp_path: Path) -> None:
    began, go_on = fork.Event(), fork.Event()
    first = fork.Process(target=build_slowly, args=(tmp_path, began, go_on))
    first.start()
    assert began.wait(DEADLINE_S)
    assert Store(tmp_path).names() == ()
    folder = Store(tmp_path).make("base-1", lambda _: pytest.fail("built twice"), go_on.set)
    first.join(DEADLINE_S)
    assert first.exitcode == 0
    assert (folder / "root").read_text() == "whole"


def test_what_a_killed_builder_left_is_removed_by_the_next(tmp_path: Path) -> None:
    began = fork.Event()
    killed = fork.Process(target=build_slowly, args=(tmp_path, began, fork.Event()))
    killed.start()
    assert began.wait(DEADLINE_S)
    assert killed.pid is not None
    os.kill(killed.pid, signal.SIGKILL)
    killed.join(DEADLINE_S)
    assert [path for path in tmp_path.iterdir() if path.suffix == ".building"]
    Store(tmp_path).make("image-2", build, nobody_waits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image-2", "locks"]


def test_what_somebody_is_building_now_is_left_alone(tmp_path: Path) -> None:
    began, go_on = fork.Event(), fork.Event()
    first = fork.Process(target=build_slowly, args=(tmp_path, began, go_on))
    first.start()
    assert began.wait(DEADLINE_S)
    Store(tmp_path).make("image-2", build, nobody_waits)
    go_on.set()
    first.join(DEADLINE_S)
    assert first.exitcode == 0
    assert Store(tmp_path).names() == ("base-1", "image-2")


def test_a_failed_build_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        build(into)
        raise OSError("no space")

    store = Store(tmp_path)
    with pytest.raises(OSError, match="no space"):
        store.make("base-1", fail, nobody_waits)
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]
    store.make("base-1", build, nobody_waits)
    assert store.names() == ("base-1",)


def test_removal_takes_what_others_put_into_the_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.make("image-1", build, nobody_waits)
    (folder / "snapshots").mkdir()
    (folder / "snapshots" / "ram").touch()
    store.remove("image-1")
    store.remove("image-1")
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_each_use_is_recorded(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.make("image-1", build, nobody_waits)
    os.utime(folder / "last-used", (1, 1))
    store.make("image-1", build, nobody_waits)
    assert store.last_used("image-1") > 1

import os

import pytest

from lab.control.computers import ThisHost, guest_cpus
from lab.errors import HostCannot
from lab.runtime import daemon


@pytest.mark.parametrize(("may_use", "gets"), [({5}, 1), ({0, 1}, 2), (set(range(64)), 2)])
def test_a_guest_gets_two_processors_where_this_process_may_use_as_many(monkeypatch, may_use, gets):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: may_use)
    assert guest_cpus() == gets


class NoNodes:
    """A substrate whose nodes are gone."""

    def destroy(self):
        pass


def test_a_lab_of_this_host_leaves_no_files_of_its_nodes_and_those_of_other_labs_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(daemon, "RUN_DIRECTORY", tmp_path / "run")
    for name in ("one", "other"):
        node = tmp_path / "run" / name / "bgw1"
        node.mkdir(parents=True)
        (node / "charon.log").touch()
    ThisHost("one", "no.program", lambda _: NoNodes()).stop()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["other"]
    ThisHost("other", "no.program", lambda _: NoNodes()).stop()
    ThisHost("other", "no.program", lambda _: NoNodes()).stop()
    assert not (tmp_path / "run").exists()


def test_an_ordinary_user_who_may_not_look_into_the_folder_of_root_s_labs_is_not_in_the_way(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(daemon, "RUN_DIRECTORY", tmp_path / "run")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(daemon.shutil, "rmtree", refuse)
    ThisHost("one", "no.program", lambda _: NoNodes()).stop()


def test_a_lab_whose_nodes_cannot_be_removed_says_so_and_keeps_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(daemon, "RUN_DIRECTORY", tmp_path / "run")
    (tmp_path / "run" / "one").mkdir(parents=True)

    class Unreachable:
        def destroy(self):
            raise HostCannot("no Docker daemon answers", mend="start it, or use another --substrate")

    with pytest.raises(HostCannot, match="the nodes of lab one cannot be removed: no Docker daemon answers") as raised:
        ThisHost("one", "no.program", lambda _: Unreachable()).stop()
    assert "vpnlab down --name one" in str(raised.value)
    assert (tmp_path / "run" / "one").exists()

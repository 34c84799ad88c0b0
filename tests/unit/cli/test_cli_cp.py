"""`vpnlab cp`: what is a node's file and what is this host's; nothing half-copied is left."""

from __future__ import annotations

import pytest

from lab.cli.verbs import cp
from lab.cli.verbs.cp import Place, place_of


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("vm1:/tmp/x", Place("vm1", "/tmp/x")),  # noqa: S108 - in a node
        ("vm1:x", Place("vm1", "x")),
        ("x", Place(None, "x")),
        ("./a:b", Place(None, "./a:b")),
        (":x", Place(None, ":x")),
    ],
)
def test_a_place_is_a_nodes_when_a_name_stands_before_the_colon(text, place):
    assert place_of(text) == place


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("a", "b"), "one of the two is to be NODE:PATH"),
        (("vm1:/a", "vm2:/b"), "one of the two is to be NODE:PATH"),
        (("vm1:", "b"), "there is no path after the colon"),
        (("nothing", "vm1:/b"), "nothing: there is no such file"),
    ],
)
@pytest.mark.usefixtures("fake_lab")
def test_wrong_use_is_exit_code_2(vpnlab, words, what):
    done = vpnlab("cp", *words)
    assert done.exit_code == 2
    assert what in done.stderr


@pytest.mark.usefixtures("fake_lab")
def test_a_copy_that_fails_leaves_what_was_there(vpnlab, monkeypatch, tmp_path):
    def fails(_lab, _node, _argv, *, streams):
        with open(streams.stdout, "wb", closefd=False) as out:
            out.write(b"half")
        return 1

    monkeypatch.setattr(cp, "run", fails)
    (tmp_path / "there").write_text("whole")
    assert vpnlab("cp", "vm1:/x", str(tmp_path / "there")).exit_code == 1
    assert (tmp_path / "there").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["there"]

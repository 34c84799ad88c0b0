"""A node that runs alone: what it is given, what it refuses, how it answers who asks for its health."""

from __future__ import annotations

import fcntl
import json
import os

import pytest

from lab.errors import UsageError
from lab.plan.bundle import Bundle
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.runtime import health
from lab.runtime.alone import read_bundle, read_keys, run
from lab.spec.load import reference

BUNDLE = Bundle(compile_plan(reference()).node("bgw1"))
KEYS = {"hq-1": "abc", "hq-2": "def"}


def private(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_bundle_comes_back_from_its_file(tmp_path):
    (tmp_path / "bgw1.json").write_text(json.dumps(to_json(BUNDLE)))
    assert read_bundle(tmp_path / "bgw1.json") == BUNDLE


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"plan": {}}', json.dumps(to_json(BUNDLE) | {"more": 1}), "[" * 9999]
)
def test_a_file_that_is_no_bundle_is_refused_with_its_name(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UsageError, match=r"bad\.json"):
        read_bundle(tmp_path / "bad.json")


def test_a_bundle_of_another_version_is_refused(tmp_path):
    (tmp_path / "new.json").write_text(json.dumps(to_json(BUNDLE) | {"version": 2}))
    with pytest.raises(UsageError, match="version 2, not 1"):
        read_bundle(tmp_path / "new.json")


def test_keys_are_read_from_a_file_that_is_closed_to_others(tmp_path):
    assert read_keys(private(tmp_path / "keys", json.dumps(KEYS))) == KEYS


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o606])
def test_keys_in_a_file_that_others_can_open_are_refused_and_not_shown(tmp_path, mode):
    with pytest.raises(UsageError, match="open to everybody") as caught:
        read_keys(private(tmp_path / "keys", json.dumps(KEYS), mode))
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "abc", '["abc"]', '{"hq-1": 5}'])
def test_a_file_that_holds_no_keys_is_refused_and_not_shown(tmp_path, text):
    with pytest.raises(UsageError, match="no JSON object of keys") as caught:
        read_keys(private(tmp_path / "keys", text))
    assert "abc" not in str(caught.value)


def test_a_node_without_a_key_for_a_tunnel_is_not_started(tmp_path):
    with pytest.raises(UsageError, match="no key for hq-2"):
        run(BUNDLE, {"hq-1": "abc"}, tmp_path / "node", say=pytest.fail)
    assert not (tmp_path / "node").exists()


def test_a_node_is_not_started_twice(tmp_path):
    held = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="another process is this endpoint already"):
        run(BUNDLE, KEYS, tmp_path, say=pytest.fail)
    os.close(held)


def test_a_node_that_lacks_nothing_is_healthy(lone_node, monkeypatch, capsys):
    directory = lone_node(b'{"report": {}, "lacking": []}\n')
    monkeypatch.setattr("sys.argv", ["health", str(directory)])
    assert health.main() == 0
    assert capsys.readouterr().out == ""


def test_what_a_node_lacks_is_printed(lone_node, monkeypatch, capsys):
    directory = lone_node(b'{"report": {}, "lacking": ["tunnel hq-1 on bgw1: no CHILD_SA"]}\n')
    monkeypatch.setattr("sys.argv", ["health", str(directory)])
    assert health.main() == 1
    assert capsys.readouterr().out == "tunnel hq-1 on bgw1: no CHILD_SA\n"


@pytest.mark.parametrize("line", [b"", b"[]\n", b"{}\n", b"nonsense\n"])
def test_an_answer_without_sense_is_none(lone_node, line):
    with pytest.raises(health.NoAnswer):
        health.ask(lone_node(line))


def test_a_node_that_is_not_there_is_not_healthy(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["health", str(tmp_path)])
    assert health.main() == 1
    assert "no answer from" in capsys.readouterr().out


def test_the_only_node_is_found_and_of_several_one_has_to_be_named(tmp_path, lone_node):
    with pytest.raises(health.NoAnswer, match="no endpoint runs here"):
        health.only_directory(tmp_path)
    first = lone_node(b'{"report": {}, "lacking": []}\n', "a")
    assert health.only_directory(tmp_path) == first
    second = lone_node(b'{"report": {}, "lacking": []}\n', "b")
    with pytest.raises(health.NoAnswer, match="name one: a, b"):
        health.only_directory(tmp_path)
    assert health.ask(first) == health.ask(second)

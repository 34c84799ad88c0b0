"""What a lab was asked to be is remembered whole, but for its keys."""

from __future__ import annotations

import stat

import pytest
from pydantic import SecretStr

from lab.control import record
from lab.control.paths import lab_directory
from lab.control.wanted import Wanted, recall, recalled_allocations, remember
from lab.plan.compile import compile_again
from lab.spec.load import REFERENCE, parse_topology, reference

KEY = "not-for-everybody"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_a_spec_and_its_numbers_survive():
    wanted = Wanted(reference(), compile_again(reference(), None).allocations)
    remember(wanted, {"hq-1": KEY})
    assert recall("ha") == wanted
    assert record.read_keys("ha") == {"hq-1": KEY}


def test_a_key_of_the_file_is_in_no_file_but_that_of_the_keys():
    text = REFERENCE.read_text().replace("inner: 169.254.10.0/30", f"psk: {KEY}")
    spec = parse_topology(text.encode(), "f")
    tunnels = spec.cloud.vpn_connections["hq"].tunnels
    assert tunnels is not None
    assert tunnels[0].psk == SecretStr(KEY)
    remember(Wanted(spec, compile_again(spec, None).allocations), {"hq-1": KEY})
    holding = [path.name for path in lab_directory("ha").iterdir() if KEY in path.read_text()]
    assert holding == [record.KEYS_FILE]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in lab_directory("ha").iterdir())


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b"null", b'{"spec": {}, "allocations": {}}', b'{"spec": 1}'])
def test_a_broken_file_is_as_good_as_none(rubbish):
    remember(Wanted(reference(), compile_again(reference(), None).allocations), {})
    (lab_directory("ha") / record.WANTED_FILE).write_bytes(rubbish)
    assert recall("ha") is None
    assert recalled_allocations("ha") is None

"""While a guest warms up its kernel starts no modprobe."""

from __future__ import annotations

import pytest

from lab.runtime import modules


@pytest.fixture
def guest(monkeypatch, tmp_path):
    """What the image names, the kernel's switch, and what was loaded."""
    names, on_demand, loaded = tmp_path / "modules", tmp_path / "modprobe", []
    names.write_text("veth\nesp4\n")
    on_demand.write_text("/sbin/modprobe\n")
    monkeypatch.setattr(modules, "load_kernel_modules", loaded.extend)
    return names, on_demand, loaded


def test_all_modules_are_loaded_and_none_is_looked_for_meanwhile(guest):
    names, on_demand, loaded = guest
    with modules.loaded_beforehand(names, on_demand):
        assert loaded == ["veth", "esp4"]
        assert on_demand.read_text() == "\n"
    assert on_demand.read_text() == "/sbin/modprobe\n"


def test_a_failed_warm_up_leaves_the_switch_as_it_was(guest):
    names, on_demand, _ = guest
    with pytest.raises(RuntimeError), modules.loaded_beforehand(names, on_demand):
        raise RuntimeError
    assert on_demand.read_text() == "/sbin/modprobe\n"

"""The guest boots on one processor and starts the others itself."""

from __future__ import annotations

from lab.runtime.processors import start_processors


def test_processors_that_do_not_run_are_started_and_the_first_is_left_alone(tmp_path):
    for name in ("cpu0", "cpu1", "cpu2", "cpufreq"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpu1" / "online").write_text("0\n")
    (tmp_path / "cpu2" / "online").write_text("1\n")
    start_processors(tmp_path)
    assert (tmp_path / "cpu1" / "online").read_text() == "1"
    assert (tmp_path / "cpu2" / "online").read_text() == "1\n"
    assert not (tmp_path / "cpu0" / "online").exists()

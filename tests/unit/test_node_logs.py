import errno
import shutil

from lab.node.logs import bound_logs


def test_a_log_that_has_grown_too_long_starts_anew_and_its_writer_goes_on(tmp_path):
    short, long = tmp_path / "agent.log", tmp_path / "charon.log"
    short.write_text("short")
    with long.open("a") as writer:
        for turn in ("first", "second"):
            writer.write(turn * 30)
            writer.flush()
            bound_logs(tmp_path, most_bytes=100)
            writer.write("next ")
            writer.flush()
    assert long.read_text() == "next "
    assert (tmp_path / "charon.log.1").read_text() == "next " + "second" * 30
    assert (tmp_path / "charon.log.1").stat().st_mode & 0o077 == 0
    assert short.read_text() == "short"
    assert not (tmp_path / "agent.log.1").exists()


def test_a_log_that_cannot_be_kept_for_want_of_room_starts_anew_all_the_same(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    (tmp_path / "charon.log").write_text("x" * 101)
    bound_logs(tmp_path, most_bytes=100)
    assert (tmp_path / "charon.log").read_text() == ""

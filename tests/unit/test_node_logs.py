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

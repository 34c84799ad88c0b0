"""Where a topology may come from."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import IO, cast

import pytest

from lab.errors import Problem, SpecError
from lab.spec.load import REFERENCE, load_topology, reference
from lab.spec.reading import MAX_BYTES, read_stream

ROOT = Path(__file__).parents[3]
DATA = REFERENCE.read_bytes()
NOTHING = io.BytesIO()


def refusal(source: str | None, cwd: Path, stdin: IO[bytes] = NOTHING) -> Problem:
    with pytest.raises(SpecError) as caught:
        load_topology(source, cwd, stdin)
    (problem,) = caught.value.problems
    return problem


def named(name: str) -> bytes:
    return DATA.replace(b"name: ha ", f"name: {name} ".encode(), 1)


def test_the_example_is_the_built_in_reference() -> None:
    assert (ROOT / "examples/ha.vpnlab.yaml").read_bytes() == DATA


def test_a_file_a_directory_and_standard_input_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.vpnlab.yaml").write_bytes(named("a"))
    (tmp_path / "notes.yaml").write_text("not: a topology")
    (tmp_path / ".hidden.vpnlab.yaml").write_text("")
    (tmp_path / "dir.vpnlab.yaml").mkdir()
    assert load_topology("a.vpnlab.yaml", tmp_path, NOTHING).name == "a"
    assert load_topology(str(tmp_path / "a.vpnlab.yaml"), Path("/"), NOTHING).name == "a"
    assert load_topology(".", tmp_path, NOTHING).name == "a"
    assert load_topology(None, tmp_path, NOTHING).name == "a"
    assert load_topology("-", tmp_path, io.BytesIO(named("b"))).name == "b"


def test_without_a_source_and_a_file_here_the_reference_is_taken(tmp_path: Path) -> None:
    assert load_topology(None, tmp_path, NOTHING) == reference()


def test_several_topologies_here_are_listed(tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / f"{name}.vpnlab.yaml").write_bytes(DATA)
    for source in (None, "."):
        problem = refusal(source, tmp_path)
        assert "2 topologies" in problem.what
        assert "a.vpnlab.yaml, b.vpnlab.yaml" in problem.what


def test_a_directory_without_a_topology_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    problem = refusal("sub", tmp_path)
    assert problem.file == "sub"
    assert "directory without" in problem.what


@pytest.mark.parametrize("source", ["none.yaml", "none/none.yaml", "a\0b", "x" * 5_000, "a.vpnlab.yaml/b"])
def test_a_file_that_is_not_there_is_refused(source: str, tmp_path: Path) -> None:
    (tmp_path / "a.vpnlab.yaml").write_bytes(DATA)
    assert refusal(source, tmp_path).file == source


def test_a_file_without_the_right_to_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(DATA)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:  # root may read every file
        try:
            os.seteuid(65534)
        except OSError as error:
            pytest.skip(f"no other user can be taken on here (seteuid: {error.strerror})")
    try:
        assert "Permission denied" in refusal("a.yaml", tmp_path).what
    finally:
        os.seteuid(user)


def test_a_file_that_fails_to_be_read_is_refused() -> None:
    assert "cannot be read" in refusal("/proc/self/mem", Path("/")).what


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("a.yaml")
    assert "cannot be read" in refusal("a.yaml", tmp_path).what


def test_a_file_of_10_mb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * 10_000_000)
    assert refusal("a.yaml", tmp_path).what == "is larger than 1024 KiB"


class Endless(io.RawIOBase):
    """A stream without an end that counts what was taken."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        buffer[:] = b"#" * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


def test_of_an_endless_standard_input_little_is_read(tmp_path: Path) -> None:
    stream = Endless()
    assert refusal("-", tmp_path, cast("IO[bytes]", stream)).what == "is larger than 1024 KiB"
    assert stream.taken <= MAX_BYTES + 1


def test_an_endless_device_is_refused() -> None:
    assert refusal("/dev/zero", Path("/")).what == "is larger than 1024 KiB"


def test_a_file_of_exactly_the_limit_is_read() -> None:
    assert len(read_stream(io.BytesIO(b"#" * MAX_BYTES), "f")) == MAX_BYTES


def test_a_pipe_with_a_name_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    middle = len(DATA) // 2

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            stream.write(DATA[:middle])
            stream.write(DATA[middle:])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert load_topology("pipe", tmp_path, NOTHING) == reference()
    finally:
        writer.join(timeout=10)


def test_a_file_name_that_is_no_utf_8_can_be_printed(tmp_path: Path) -> None:
    problem = refusal(os.fsdecode(b"\xff.yaml"), tmp_path)
    str(problem).encode()

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from lab.image.cpio import BLOCK, Entry, archive

names = st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join)


def members(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """A naive reader, written from the form's description."""
    offset = 0
    while True:
        assert data[offset : offset + 6] == b"070701"
        fields = [int(data[offset + 6 + 8 * i : offset + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[offset + 110 : offset + 110 + name_size - 1].decode()
        start = (offset + 110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return
        yield name, mode, data[start : start + size]
        offset = (start + size + 3) // 4 * 4


def without_folder_as_file(files: dict[str, bytes]) -> bool:
    return not any(other.startswith(f"{name}/") for name in files for other in files)


@given(st.dictionaries(names, st.binary(max_size=20)).filter(without_folder_as_file))
def test_what_went_in_comes_out_with_folders_first(files: dict[str, bytes]) -> None:
    data = archive({name: Entry(content) for name, content in files.items()})
    seen: set[str] = set()
    found = {}
    for name, mode, content in members(data):
        parent = name.rpartition("/")[0]
        assert not parent or parent in seen
        seen.add(name)
        if mode & 0o170000 == 0o100000:
            found[name] = content
    assert found == files
    assert len(data) % BLOCK == 0


def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    one, two = Entry(b"1", 0o755), Entry(b"2")
    assert archive({"a/x": one, "b": two}) == archive({"b": two, "a/x": one})


def test_permission_bits_are_kept() -> None:
    [(_, mode, _)] = members(archive({"init": Entry(b"", 0o755)}))
    assert mode == 0o100755

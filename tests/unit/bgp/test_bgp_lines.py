from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bgp.lines import HEAD, LONGEST_LINE, Lines, TooLong


@given(st.lists(st.binary(max_size=5).map(lambda piece: piece.replace(b"x", b"\n"))))
def test_pieces_make_the_same_lines_as_the_whole(pieces: list[bytes]) -> None:
    lines = Lines()
    cut = [line for piece in pieces for line in lines.feed(piece)]
    assert [*cut, bytes(lines.rest)] == b"".join(pieces).split(b"\n")


def test_a_line_that_never_ends_is_thrown_away_once_and_the_next_one_read() -> None:
    lines = Lines()
    seen = []
    for _ in range(5):
        seen += lines.feed(b"head" + b"x" * LONGEST_LINE)
        assert len(lines.rest) <= LONGEST_LINE
    seen += lines.feed(b"tail\nnext\n")
    assert seen == [TooLong((b"head" + b"x" * HEAD)[:HEAD]), b"next"]


def test_a_line_that_is_too_long_at_one_go_is_thrown_away() -> None:
    assert Lines().feed(b"y" * (LONGEST_LINE + 1) + b"\nnext\n") == [TooLong(b"y" * HEAD), b"next"]

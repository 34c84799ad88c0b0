"""Lines of JSON: whatever comes, nothing is raised, and the next line is understood again."""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from lab.wire.messages import LineReader, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MESSAGES = st.dictionaries(st.text(), JSON)
LONGEST = 200


def pieces(data, cuts):
    """`data` cut at `cuts`, as a stream may come."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def read(reader, data, cuts=()):
    return [message for piece in pieces(data, cuts) for message in reader.feed(piece)]


@given(st.lists(MESSAGES), st.lists(st.integers(min_value=0)))
def test_messages_survive_any_cut(messages, cuts):
    assert read(LineReader(), b"".join(map(encode, messages)), cuts) == messages


@given(st.lists(st.binary()), MESSAGES)
def test_nothing_raises_and_a_newline_heals(rubbish, message):
    reader = LineReader(LONGEST)
    for data in rubbish:
        assert all(isinstance(found, dict) for found in reader.feed(data))
    tail = read(reader, b"\n" + b"{}\n")
    assert tail[-1] == {}
    reader = LineReader()
    read(reader, b"".join(rubbish))
    assert read(reader, b"\n" + encode(message))[-1] == message


@given(st.binary(), st.lists(st.integers(min_value=0)))
def test_the_reader_agrees_with_a_naive_one(data, cuts):
    assert read(LineReader(), data, cuts) == naive(data)


def naive(data):
    found = []
    for line in data.split(b"\n")[:-1]:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            found.append(message)
    return found


@given(st.integers(min_value=1, max_value=50))
def test_a_line_without_end_takes_no_more_memory_than_the_longest(size):
    reader = LineReader(LONGEST)
    for _ in range(3 * LONGEST):
        assert list(reader.feed(b"x" * size)) == []
        assert sum(map(len, reader._pieces)) <= LONGEST
    assert reader.dropped == 1
    assert read(reader, b"x\n{}\n") == [{}]


def test_deep_nesting_is_dropped_like_any_rubbish():
    reader = LineReader()
    assert read(reader, b"[" * 200_000 + b"\n" + b'{"a":' * 100_000 + b"\n{}\n") == [{}]
    assert reader.dropped == 2

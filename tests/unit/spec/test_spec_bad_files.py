"""Files that are no topologies at all: refused in bounded time and memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import Problem, SpecError
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.tree import MAX_VALUES, NULLS, parse_tree

TEXT = REFERENCE.read_text()


def problem_in(data: bytes) -> Problem:
    with pytest.raises(SpecError) as caught:
        parse_topology(data, "bad.yaml")
    return caught.value.problems[0]


def laughs(levels: int = 20) -> bytes:
    first = b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    return first + b"".join(
        b"%c: &%c [%s]\n" % (code, code, b", ".join([b"*%c" % (code - 1)] * 9)) for code in range(98, 98 + levels)
    )


BAD: dict[str, tuple[bytes, int | None, str]] = {
    "empty": (b"", None, "is empty"),
    "only a comment": (b"# nothing\n", None, "is empty"),
    "only null": (b"--- ~\n", None, "is empty"),
    "a list": (b"- a\n- b\n", 1, "a list stands where a mapping is wanted"),
    "a text": (b"hello\n", 1, "'hello' stands where a mapping is wanted"),
    "binary rubbish": (b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)), 2, "is not text in UTF-8"),
    "control characters": (b"a: b\nc: \x01\n", 2, "holds the character U+0001"),
    "Latin-1": ("vpnlab: 1\nname: ä\n".encode("latin-1"), 2, "is not text in UTF-8"),
    "UTF-16": (TEXT.encode("utf-16"), 1, "is not text in UTF-8"),
    "tab as indentation": (b"cloud:\n\tvpcs: {}\n", 2, r"found character '\t'"),
    "unclosed": (b"cloud: {vpcs: {\n\n", 3, "is not YAML"),
    "two documents": (TEXT.encode() + b"---\nname: b\n", TEXT.count("\n") + 1, "a second document begins here"),
    "Python object": (b"a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "the tag "),
    "tag": (b"a: !!str x\n", 1, "the tag "),
    "duplicate key": (b"vpnlab: 1\nname: a\nname: b\n", 3, "the key 'name' stands twice; first on line 2"),
    "collection as key": (b"? [a, b]\n: c\n", 1, "a key is a collection"),
    "alias as key": (b"a: &a b\n*a : c\n", 2, "a key is an alias"),
    "alias to nothing": (b"a: *b\n", 1, "the alias 'b' names no complete value"),
    "alias to itself": (b"a: &a [*a]\n", 1, "the alias 'a' names no complete value"),
    "exploding aliases": (laughs(), 5, f"holds more than {MAX_VALUES} values once its aliases are expanded"),
    "aliases nested deep": (
        b"a: &a x\n"
        + b"".join(
            b"%c: &%c %s %s %s\n" % (code, code, b"{x: " * 9, b"*%c" % (code - 1), b"}" * 9) for code in b"bcde"
        ),
        5,
        "nested more than 32 deep",
    ),
    "brackets 100 000 deep": (b"[" * 100_000, 1, "nested more than 32 deep"),
    "braces 100 000 deep": (b"{a: " * 100_000, 1, "nested more than 32 deep"),
    "dashes 100 000 deep": (b"- " * 100_000, 1, "nested more than 32 deep"),
    "question marks 100 000 deep": (b"? " * 100_000, 1, "a key is a collection"),
    "too many values": (b"[" + b"x," * 400_000 + b"]", 1, f"more than {MAX_VALUES} values"),
    "a huge value": (b"a: " + b"x" * 1_000_000, 1, "a value has 1000000 characters"),
    "a huge key": (b"x" * 2_000 + b": 1", 1, ""),
    "escape out of range": (b'a: "\\UFFFFFFFF"', 1, "is not YAML"),
    "half a character": (b'a: "\\uD800"', 1, "half a character"),
    "version with 5000 digits": (b"%YAML 1." + b"9" * 5_000 + b"\n--- a\n", 1, "is not YAML"),
}


@pytest.mark.parametrize(("data", "line", "what"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_its_line(data: bytes, line: int | None, what: str) -> None:
    problem = problem_in(data)
    assert problem.file == "bad.yaml"
    assert problem.line == line
    assert what in problem.what
    assert problem.mend
    assert len(str(problem)) < 600


def test_bad_files_are_refused_within_little_memory() -> None:
    limit = 400 << 20
    script = (
        "import sys; from lab.errors import SpecError; from lab.spec.load import parse_topology\n"
        "try: parse_topology(sys.stdin.buffer.read(), 'f')\n"
        "except SpecError: sys.exit(2)"
    )
    for name in ("exploding aliases", "brackets 100 000 deep", "too many values"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=BAD[name][0],
            capture_output=True,
            check=False,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        assert done.returncode == 2, done.stderr


def test_anchors_within_the_limit_are_taken() -> None:
    text = TEXT.replace("- cloud_address: 203.0.113.10", "- cloud_address: &one 203.0.113.10")
    text = text.replace("        - 203.0.113.10\n", "").replace("        - 203.0.113.20\n", "        - 203.0.113.20\n")
    text = text.replace("public_addresses:         # the cloud's two", "public_addresses: &both   # the cloud's two")
    text = text.replace("        - 203.0.113.20\n", "        - &first 203.0.113.10\n        - 203.0.113.20\n")
    text = text.replace("cloud_address: &one 203.0.113.10", "cloud_address: *first")
    assert parse_topology(text.encode(), "f") == parse_topology(TEXT.encode(), "f")


def test_a_byte_order_mark_and_json_are_taken() -> None:
    spec = parse_topology(TEXT.encode(), "f")
    assert parse_topology(TEXT.encode("utf-8-sig"), "f") == spec
    assert parse_topology(json.dumps(yaml.safe_load(TEXT)).encode(), "f") == spec


def refused_or_taken(data: bytes) -> None:
    """Nothing but SpecError may come out."""
    try:
        parse_topology(data, "fuzz")
    except SpecError as error:
        str(error).encode()


YAMLISH = st.text(alphabet="ab:-?[]{}&*!|>'\"%@#,~ \n\t0\\<", max_size=60)


@given(st.binary(max_size=200) | YAMLISH.map(str.encode))
@settings(max_examples=400, deadline=None)
def test_arbitrary_bytes_raise_nothing_but_spec_errors(data: bytes) -> None:
    refused_or_taken(data)


WORDS = st.sampled_from(
    [
        "vpnlab",
        "name",
        "cloud",
        "idc",
        "vpcs",
        "app",
        "hq",
        "tunnels",
        "psk",
        "inner",
        "x-y",
        "[key]",
        "1",
        "public_addresses",
        "border_gateways",
        "vpn_connections",
        "subnets",
        "instances",
        "devices",
        "lans",
        "hosts",
        "vpc_attachments",
    ]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS
    | st.ip_addresses(v=4).map(str) | st.just(1) | st.just("10.0.0.0/30")
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=4)
        | st.fixed_dictionaries({"vpnlab": st.just(1), "name": st.just("a"), "cloud": inner, "idc": inner})
    ),
    max_leaves=25,
)


@given(TREES)
@settings(max_examples=400, deadline=None)
def test_arbitrary_trees_raise_nothing_but_spec_errors(tree: object) -> None:
    refused_or_taken(json.dumps(tree).encode())
    refused_or_taken(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


def places(tree: object) -> list[tuple[Any, Any]]:
    """Every (collection, step) in the tree."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for step, value in steps for place in [(tree, step), *places(value)]]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_reference_with_values_replaced_raises_nothing_but_spec_errors(data: st.DataObject) -> None:
    tree = yaml.safe_load(TEXT)
    for _ in range(data.draw(st.integers(1, 3))):
        where = places(tree)
        holder, step = data.draw(st.sampled_from(where))
        if data.draw(st.booleans()):
            holder[step] = data.draw(TREES)
        elif isinstance(holder, dict):
            holder[data.draw(WORDS)] = holder.pop(step)
        else:
            holder.append(holder[step])
    refused_or_taken(json.dumps(tree).encode())


@given(YAMLISH)
@settings(max_examples=400, deadline=None)
def test_what_is_read_as_text_is_what_yaml_reads(text: str) -> None:
    """Against PyYAML's own composer: same shape, and texts as they were written."""
    try:
        mine = parse_tree(text.encode(), "f")
    except SpecError:
        return
    theirs = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes texts only
    assert without_nulls(mine.plain if mine else None) == without_nulls(theirs)


def without_nulls(plain: object) -> object:
    """The tree with the texts that mean null, which the base loader keeps, as empty texts."""
    match plain:
        case dict():
            return {key: without_nulls(value) for key, value in plain.items()}
        case list():
            return [without_nulls(value) for value in plain]
    return "" if plain in (None, *NULLS) else plain

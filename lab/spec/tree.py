"""YAML text to a tree of mappings, lists and texts, in which each value knows its line.

A scalar stays the text that was written: what it means is decided by the field that takes it. So a
VPC may be called `no`, a key may be `0123`, and `22:22` is never a number of seconds. Only a
plain `null`, `~` or nothing at all is None.

The work is bounded whatever the text holds: depth, number of values after the aliases are
expanded, and length of each value. Aliases share what they name, so that a small file cannot become a large tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import NoReturn

import yaml

from lab.errors import Problem, SpecError
from lab.spec.wording import SECRET, Finding, Path, dotted, shown

# All ours. The format is 7 deep and its longest value has 128 characters; the cloud's quotas allow some 10 000 values.
MAX_DEPTH = 32
MAX_VALUES = 20_000
MAX_VALUE_CHARS = 1_024

NO_YAML = "the file is YAML text"
NULLS = ("", "~", "null", "Null", "NULL")  # YAML 1.2 core schema

Plain = str | None | dict[str, "Plain"] | list["Plain"]


@dataclass(slots=True)
class Node:
    """A value of the file: `plain` for the model, the rest for messages and for limits."""

    line: int
    plain: Plain
    children: dict[str | int, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    def line_of(self, path: Path) -> int:
        """The line of the value at `path`, of the key of a collection, or of the last step that exists."""
        node, line = self, self.line
        for step in path:
            child = node.children.get(step)
            if child is None:
                break
            line = node.key_lines.get(step, child.line) if isinstance(step, str) and child.children else child.line
            node = child
        return line


@dataclass(slots=True)
class _Open:
    """A mapping or list that the events have not closed yet, with the key that waits for its value."""

    node: Node
    anchor: str | None
    key: str | None = None


def parse_tree(data: bytes, file: str) -> Node | None:
    """The tree of the one document in `data`; None where there is none. `file` is for messages only."""
    return _Builder(file).build(_text(data, file))


def _text(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(file, line, Finding((), "is not text in UTF-8", NO_YAML, "save the file as UTF-8 text"))


class _Builder:
    """Puts the parser's events together without recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.open: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.root: Node | None = None
        self.seen = 0

    def build(self, text: str) -> Node | None:
        line = 1
        loader = None
        try:
            loader = yaml.SafeLoader(text)
            while loader.check_event():
                event: yaml.Event = loader.get_event()  # type: ignore[no-untyped-call] # untyped in the stubs
                line = event.start_mark.line + 1 if event.start_mark else line
                self.take(event, line)
        except yaml.reader.ReaderError as error:
            what = f"holds the character U+{int(error.character):04X}, which YAML does not allow"
            line = text.count("\n", 0, error.position) + 1
            _refuse(self.file, line, Finding((), what, NO_YAML, "remove the character"))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.refuse_yaml(mark.line + 1 if mark else line, error.problem)
        except (ValueError, OverflowError):  # the parser makes numbers of escapes and directives without checking them
            self.refuse_yaml(loader.line + 1 if loader else line, "a number in an escape or directive is out of range")
        finally:
            if loader:
                loader.dispose()
        return self.root

    def take(self, event: yaml.Event, line: int) -> None:
        match event:
            case yaml.DocumentStartEvent() if self.root:
                self.refuse(line, "a second document begins here", "the file is one document", "remove it and its ---")
            case yaml.NodeEvent():
                self.limit(line, 1)
                self.take_node(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self.open.pop()
                self.put(done.node, done.anchor)

    def take_node(self, event: yaml.NodeEvent, line: int) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            why = "the file holds mappings, lists and texts only; the fields decide what the texts mean"
            self.refuse(line, f"the tag {self.quoted(tag)} is not allowed", why, "leave the tag out")
        match event:
            case yaml.AliasEvent():
                node = self.anchors.get(event.anchor or "")
                if node is None:
                    why = "an alias repeats a value that is complete before it"
                    self.refuse(
                        line, f"the alias {self.quoted(event.anchor)} names no complete value", why, "write it out"
                    )
                self.put(replace(node, line=line), None)
            case yaml.ScalarEvent():
                self.take_scalar(event, line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if self.expects_key():
                    self.refuse(line, "a key is a collection", "keys are names", "use a plain name as key")
                self.limit_depth(line, 1)
                plain: Plain = {} if isinstance(event, yaml.MappingStartEvent) else []
                self.open.append(_Open(Node(line, plain), event.anchor))

    def take_scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        text = event.value
        if len(text) > MAX_VALUE_CHARS:
            why = "no field takes so much"
            self.refuse(line, f"a value has {len(text)} characters, more than {MAX_VALUE_CHARS}", why, "shorten it")
        if any("\ud800" <= char <= "\udfff" for char in text):
            self.refuse(
                line, "a value holds half a character", "\\uD800-\\uDFFF are no characters", "remove the escape"
            )
        if self.expects_key():
            self.take_key(text, line)
            return
        is_null = event.style is None and text in NULLS
        self.put(Node(line, None if is_null else text), event.anchor)

    def take_key(self, key: str, line: int) -> None:
        top = self.open[-1]
        if key in top.node.key_lines:
            what = f"the key {self.quoted(key)} stands twice; first on line {top.node.key_lines[key]}"
            self.refuse(line, what, "only one of the two values could count", "remove or rename one of them")
        top.node.key_lines[key] = line
        top.key = key

    def put(self, node: Node, anchor: str | None) -> None:
        """A finished value goes to where it belongs; what it expands to is counted there."""
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        container = top.node.plain
        step: str | int = len(top.node.children)
        if isinstance(container, list):
            container.append(node.plain)
        elif isinstance(container, dict) and top.key is not None:
            step, top.key = top.key, None
            container[step] = node.plain
        else:
            self.refuse(node.line, "a key is an alias", "keys are names", "write the key out")
        top.node.children[step] = node
        top.node.size += node.size
        top.node.height = max(top.node.height, 1 + node.height)
        self.limit_depth(node.line, node.height)
        self.limit(node.line, 0, top.node.size)

    def expects_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].node.plain, dict) and self.open[-1].key is None

    def path(self) -> Path:
        """Where the next value will stand."""
        steps = (len(part.node.children) if isinstance(part.node.plain, list) else part.key for part in self.open)
        return tuple(step for step in steps if step is not None)

    def quoted(self, text: str | None) -> str:
        """A text of the file as a message may show it here."""
        return "(hidden)" if SECRET in self.path() else shown(text)

    def limit(self, line: int, more: int, size: int = 0) -> None:
        self.seen += more
        if max(self.seen, size) > MAX_VALUES:
            what = f"holds more than {MAX_VALUES} values once its aliases are expanded"
            self.refuse(line, what, "no lab within the cloud's quotas is that large", "use fewer values or aliases")

    def limit_depth(self, line: int, height: int) -> None:
        if len(self.open) + height > MAX_DEPTH:
            what = f"is nested more than {MAX_DEPTH} deep"
            self.refuse(line, what, "no part of the format is that deep", "close what was opened before")

    def refuse(self, line: int, what: str, why: str, mend: str) -> NoReturn:
        _refuse(self.file, line, Finding(self.path(), what, why, mend))

    def refuse_yaml(self, line: int, problem: str | None) -> NoReturn:
        # The parser's own message quotes the line, which may hold a key; its problem alone quotes tags at most.
        what = "is not YAML: " + re.sub(r"'!.*'", "'!...'", problem or "it cannot be read")
        mend = "check the indentation (spaces, no tabs), the colons and the quotes there and one line above"
        _refuse(self.file, line, Finding((), what, NO_YAML, mend))


def _refuse(file: str, line: int, finding: Finding) -> NoReturn:
    where = dotted(finding.path)
    raise SpecError((Problem(where, finding.what, finding.why, finding.mend, file, line),))

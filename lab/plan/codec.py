"""Plans and reports to JSON and back."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import cattrs

T = TypeVar("T")


def _converter(*, tells: bool) -> cattrs.Converter:
    """What reads and writes; `tells` what is wrong, and where, with more code to generate."""
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=tells)
    for address in (IPv4Address, IPv4Interface, IPv4Network):
        converter.register_unstructure_hook(address, str)
        converter.register_structure_hook(address, lambda value, kind: kind(value))
    return converter


_CONVERTER = _converter(tells=False)
_telling_converter = functools.cache(lambda: _converter(tells=True))


def to_json(value: object) -> Any:  # noqa: ANN401 - JSON has no better type
    """A plan or report as JSON's own types: addresses as text, tuples as lists."""
    return _CONVERTER.unstructure(value)


def from_json(kind: type[T], data: object) -> T:
    """The plan or report in `data`. Raises ValueError, with the place, when it is not one."""
    if not isinstance(data, dict):
        raise ValueError(f"expected an object, not {type(data).__name__} @ $")  # noqa: TRY004 - one kind of refusal
    try:
        return _CONVERTER.structure(data, kind)
    except Exception:  # noqa: BLE001 - whatever this one stumbles over, the other one tells
        return _read_again(kind, data)


def _read_again(kind: type[T], data: object) -> T:
    """Read what could not be read, now to be told what is wrong and where: that raises ValueError."""
    try:
        return _telling_converter().structure(data, kind)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error))) from error


def digest(plan: object) -> str:
    """A short name for the contents of a plan: equal plans have equal digests."""
    return digest_of_json(to_json(plan))


def digest_of_json(data: object) -> str:
    """The digest of the plan that `to_json` made `data` of; another way to write the same plan has another one."""
    text = json.dumps(data, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def prepare_reading(kind: type) -> None:
    """Have the code for reading `kind`, and all that is in it, generated now instead of at its first use."""
    for found in _kinds_in(kind, set()):
        _CONVERTER.get_structure_hook(found)


def prepare_writing(kind: type) -> None:
    """The same for writing it. That of what is in it comes with it."""
    _CONVERTER.get_unstructure_hook(kind)


def _kinds_in(kind: Any, known: set[object]) -> Iterator[Any]:  # noqa: ANN401 - a type, or a form such as X | None
    """`kind` and the types of its fields, items and alternatives, what is inside before what it is in, each once."""
    if kind in known:
        return
    known.add(kind)
    for part in get_type_hints(kind).values() if is_dataclass(kind) else get_args(kind):
        if (isinstance(part, type) and part is not NoneType) or get_origin(part) is not None:
            yield from _kinds_in(part, known)
    yield kind

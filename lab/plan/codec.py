"""Plans and reports to JSON and back."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, TypeVar

import cattrs

T = TypeVar("T")


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for address in (IPv4Address, IPv4Interface, IPv4Network):
        converter.register_unstructure_hook(address, str)
        converter.register_structure_hook(address, lambda value, kind: kind(value))
    return converter


_CONVERTER = _converter()


def to_json(value: object) -> Any:  # noqa: ANN401 - JSON has no better type
    """A plan or report as JSON's own types: addresses as text, tuples as lists."""
    return _CONVERTER.unstructure(value)


def from_json(kind: type[T], data: object) -> T:
    """The plan or report in `data`. Raises ValueError, with the place, when it is not one."""
    if not isinstance(data, dict):
        raise ValueError(f"expected an object, not {type(data).__name__} @ $")  # noqa: TRY004 - one kind of refusal
    try:
        return _CONVERTER.structure(data, kind)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error))) from error


def digest(plan: object) -> str:
    """A short name for the contents of a plan: equal plans have equal digests."""
    text = json.dumps(to_json(plan), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def prepare(kind: type) -> None:
    """Have the code for reading and writing `kind` generated now instead of at its first use."""
    _CONVERTER.get_structure_hook(kind)
    _CONVERTER.get_unstructure_hook(kind)

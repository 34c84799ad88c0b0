"""A tree against the model of a file: the spec, or every key and value that does not fit, worded."""

from __future__ import annotations

import collections.abc
import copy
from typing import TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lab.spec.fields import REFUSED
from lab.spec.wording import SECRET, Finding, Path, listed, nearest, shown

M = TypeVar("M", bound=BaseModel)

KEY_STEP = "[key]"  # pydantic's last step for an error in a mapping's key

# What stands where, by pydantic's type of error.
WANTED = {
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
}


def fit(tree: object, model: type[M]) -> tuple[M | None, list[Finding]]:
    """The spec where the tree has the right shape, and what is wrong where it has not."""
    try:
        return model.model_validate(tree), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    return None, [_finding(tree, detail, model) for detail in details]


def fit_rest(tree: object, findings: list[Finding], model: type[M]) -> tuple[M | None, list[Path]]:
    """What can still be judged: the spec without its unknown keys and bad optional values.

    Also returns the paths of the parts that lost something, of which nothing more can be said. The spec is None
    where what is left makes none, or where a whole collection was lost: the names in it would seem to be missing.
    """
    rest = copy.deepcopy(tree)
    lost: list[Path] = []
    for finding in findings:
        path = finding.path
        while path and isinstance(path[-1], int):
            path = path[:-1]
        holder = _value_at(rest, path[:-1])
        if len(path) in (0, 2) or not _may_go(path, model):
            return None, []
        if isinstance(holder, dict):
            holder.pop(path[-1], None)
        if len(path) > 2:
            lost.append(path[:-1])
    spec, _ = fit(rest, model)
    return spec, lost


def _finding(tree: object, detail: ErrorDetails, model: type[BaseModel]) -> Finding:
    path: Path = detail["loc"]
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind == REFUSED:
        path = path[:-1] if path[-1] == KEY_STEP else path
        return Finding(path, context["what"], context["why"], context["mend"])
    if kind == "extra_forbidden":
        return _unknown_key(path, model)
    about = _purpose(path, model)
    if kind == "missing":
        return Finding(path[:-1], f"the key {path[-1]!r} is missing", about, f"add {path[-1]}")
    value = "a pre-shared key" if SECRET in path else shown(_value_at(tree, path))
    if kind in WANTED:
        wanted = WANTED[kind]
        what = "nothing stands" if value == "nothing" else f"{value} stands"
        return Finding(path, f"{what} where {wanted} is wanted", about, f"write {wanted} here")
    if kind == "literal_error":
        expected = str(context["expected"])
        close = nearest(value.strip("'"), [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")])
        mend = f"did you mean {close}?" if close else f"write {expected.replace(chr(39), '')}"
        return Finding(path, f"{value} is not {expected}", about, mend)
    return Finding(path, f"{value} does not fit here", about, detail["msg"])


def _purpose(path: Path, model: type[BaseModel]) -> str:
    """What the value at `path` is for, or the collection that it is in."""
    fields = (_place(path[:end], model)[1] for end in range(len(path), 0, -1))
    return next((field.description for field in fields if field and field.description), "the file has fixed keys")


def _unknown_key(path: Path, model: type[BaseModel]) -> Finding:
    holder, _ = _place(path, model)
    known = list(holder.model_fields) if holder else []
    close = nearest(str(path[-1]), known)
    mend = f"did you mean {close}?" if close else f"known here: {listed(known)}"
    return Finding(path, f"unknown key {shown(path[-1])}", "a key that nothing reads would have no effect", mend)


def _may_go(path: Path, model: type[BaseModel]) -> bool:
    """Whether the model can do without what stands at `path`: an unknown key or an optional field."""
    holder, field = _place(path, model)
    return holder is not None and (field is None or not field.is_required())


def _place(path: Path, top: type[BaseModel]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model that the last step of `path` is a key of (None in a collection), and the key's field if it has one."""
    model: type[BaseModel] | None = top
    holder: type[BaseModel] | None = None
    field: FieldInfo | None = None
    in_collection = False
    for step in path:
        if in_collection:
            holder, field, in_collection = None, None, False
        else:
            holder = model
            field = holder.model_fields.get(str(step)) if holder else None
            model, in_collection = _inside(field.annotation) if field else (None, False)
    return holder, field


def _inside(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """The model in a field's type, and whether it is in a collection there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    is_collection = get_origin(annotation) in (collections.abc.Mapping, tuple)
    for argument in get_args(annotation):
        model, deeper = _inside(argument)
        if model or deeper:
            return model, is_collection or deeper
    return None, is_collection


def _value_at(tree: object, path: Path) -> object:
    for step in path:
        if isinstance(tree, dict) and isinstance(step, str):
            tree = tree.get(step)
        elif isinstance(tree, list | tuple) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree

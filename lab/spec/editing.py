"""A topology that was changed by a command instead of in its file: the same rules, without lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lab.errors import Problem, SpecError
from lab.spec.checks import broken_rules
from lab.spec.model import LabSpec
from lab.spec.shape import fit
from lab.spec.wording import Finding, dotted


def fitted(tree: object) -> LabSpec:
    """The spec in a tree of mappings, lists and texts. Raises SpecError with every problem found."""
    spec, wrong_shapes = fit(tree, LabSpec)
    findings: Iterable[Finding] = wrong_shapes if spec is None else broken_rules(spec)
    problems = tuple(Problem(dotted(item.path), item.what, item.why, item.mend) for item in findings)
    if problems or spec is None:
        raise SpecError(problems)
    return spec

"""What the verbs that change a running lab say, and how they exit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lab.cli import options
from lab.cli.consoles import errors, output
from lab.cli.output import print_json, say
from lab.cli.progress import ConsoleProgress
from lab.cli.show import plain_table
from lab.cloud.transition import Step
from lab.control.change import Change, Edit, change_lab
from lab.errors import LabSaysNo, Problem


def change(lab: str, edit: Edit, *, dry_run: bool, timeout: float | None, output_format: str) -> None:
    """Change a lab, print the steps, and say what became of them. Exit code 1 when the cloud refuses any."""
    with ConsoleProgress(errors(), verbose=options.is_verbose()) as progress:
        found = change_lab(lab, edit, dry_run=dry_run, timeout_s=timeout, progress=progress)
    steps, beside, refused = found.difference.steps, found.difference.beside, found.difference.refused
    if output_format == "json":
        print_json("apply", lab=lab, dry_run=dry_run, done=found.done, steps=[_step(step) for step in steps],
                   beside=list(beside), refused=[_problem(problem) for problem in refused],
                   undrained=[str(lack) for lack in found.undrained],
                   amiss=[str(lack) for lack in found.amiss])  # fmt: skip
    else:
        _print_steps(steps, beside)
    for lack in found.undrained:
        say(f"warning: {lack}; its SAs went all the same")
    for lack in found.amiss:
        say(f"warning: {lack}; it was amiss before, and this change does not concern it")
    if refused:
        raise LabSaysNo(
            "the cloud refuses; nothing was done:\n" + "\n".join(str(problem) for problem in refused),
        )
    say(_outcome(found, dry_run=dry_run))


def _outcome(found: Change, *, dry_run: bool) -> str:
    if not found.difference:
        return f"lab {found.lab} is so already: nothing to do"
    if dry_run:
        return f"lab {found.lab} was not touched"
    return f"lab {found.lab} is changed, and {'what that concerns is ' if found.amiss else ''}ready"


def _print_steps(steps: Iterable[Step], beside: Iterable[str]) -> None:
    table = plain_table("step", "resource", "settings")
    for step in steps:
        table.add_row(step.action, str(step.key), " ".join(step.settings))
    for text in beside:
        table.add_row("change", text, "")
    if table.rows:
        console = output()
        console.print(table)


def _step(step: Step) -> dict[str, Any]:
    return {"action": step.action, "kind": str(step.key.kind), "name": step.key.name, "settings": list(step.settings)}


def _problem(problem: Problem) -> dict[str, str]:
    return {"where": problem.where, "what": problem.what, "why": problem.why, "mend": problem.mend}

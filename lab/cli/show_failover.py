"""The failover report as a table for people; why something failed stands below it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.cli.show import BAD, GOOD, NOTE, plain_table
from lab.trial import figures
from lab.trial.model import DirectionResult, FailoverReport, Trial

OTHER = {"cloud": "IDC", "idc": "cloud"}
REFUSED = "?"
STYLES = {"passed": GOOD, "failed": BAD, "unmeasured": NOTE}


def failover_table(report: FailoverReport) -> RenderableType:
    """Every trial with what each direction lost, how long that took, and by what it was noticed.

    `back` is what was lost while the lab was made whole again; "?" stands where the prober claims nothing.
    """
    table = plain_table("fault", "sent to", "lost", "outage", "detected", "converged", "back")
    table.columns[0].no_wrap = True
    for trial in report.trials:
        _add(table, trial)
    passed = sum(trial.passed for trial in report.trials)
    summary = Text(f"{passed} of {len(report.trials)} trials passed", style=GOOD if report.passed else BAD)
    return Group(table, *([Text()] if not report.passed else []), *_reasons(report), Text(), summary)


def _add(table: Table, trial: Trial) -> None:
    faults, restores = (
        {one.sender: one for phase in trial.phases if phase.name == name for one in phase.directions}
        for name in ("fault", "restore")
    )
    named = Text(f"{trial.fault} #{trial.run}", style=STYLES[trial.outcome])
    if not faults:
        table.add_row(named, trial.tunnel)
    for place, (side, found) in enumerate(faults.items()):
        back = restores.get(side)
        table.add_row(
            named if place == 0 else f"  {trial.tunnel}", OTHER[side], _lost(found), _outage(found),
            figures.detection(found), figures.seconds(found.convergence_s), _lost(back) if back else figures.NOTHING,
        )  # fmt: skip


def _lost(one: DirectionResult) -> Text:
    if one.lateness.refusal is not None:
        return Text(REFUSED, style=NOTE)
    return Text(f"{one.lost}/{one.sent}", style=BAD if one.lost else GOOD)


def _outage(one: DirectionResult) -> str:
    return REFUSED if one.lateness.refusal is not None else figures.seconds(one.outage_s)


def _reasons(report: FailoverReport) -> Iterator[Text]:
    """Why trials did not pass, one line for each reason."""
    for trial in report.trials:
        name = f"{trial.fault} #{trial.run} on {trial.tunnel}"
        if trial.failure is not None:
            yield Text(f"{name}: given up: {trial.failure}", style=BAD)
        for verdict in trial.verdicts:
            if verdict.outcome != "passed":
                yield Text(f"{name}: {verdict.question}: {verdict.text}", style=STYLES[verdict.outcome])

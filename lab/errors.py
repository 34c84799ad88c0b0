"""The errors that users see.

LabError                  exit code
|-- LabSaysNo             1    a check, a budget or a diagnosis failed
|-- UsageError            2    wrong use
|   `-- SpecError         2    wrong file: carries every Problem found
|-- HostCannot            3    this host lacks something
`-- NotConverged          4    what was awaited did not come in time
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, what, why, and how to mend it.

    `where` is a path into the file ("cloud.vpcs.app.cidr"), a file or an object;
    `line` counts from 1 and is None where no line applies.
    """

    where: str
    what: str
    why: str
    mend: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        where = f"{self.where}: " if self.where else ""
        return f"{place}{where}{self.what}\n    why:  {self.why}\n    mend: {self.mend}"


class LabError(Exception):
    """What went wrong and how to mend it, in words for the user. `exit_code` ends the command."""

    exit_code = 1

    def __init__(self, what: str, *, mend: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.what}\n    mend: {self.mend}" if self.mend else self.what


class LabSaysNo(LabError):
    """The lab answered, and the answer is no."""

    exit_code = 1


class UsageError(LabError):
    """The command was used in a way that cannot work."""

    exit_code = 2


class SpecError(UsageError):
    """The user's file is wrong; `problems` holds everything found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class HostCannot(LabError):
    """This host lacks a program, a right or a kernel object that is needed."""

    exit_code = 3


class NotConverged(LabError):
    """The lab did not become ready in time; the message names what was awaited and what was seen last."""

    exit_code = 4

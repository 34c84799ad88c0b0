"""What was found of a host, and whether labs can run on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Area = Literal["host", "microvm", "image", "netns", "docker", "labs"]
State = Literal["ok", "lacking", "note"]

AREAS: dict[Area, str] = {
    "host": "this host",
    "microvm": "microvm: a lab in a small machine of its own",
    "image": "the machine's image",
    "netns": "netns: a lab in namespaces of this host",
    "docker": "docker: a lab in containers of this host",
    "labs": "labs",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried: what came of it, and what helps when it is lacking.

    A "note" stands in no lab's way. `said` is what was found; `mend` is a command or a sentence, None when all is well.
    """

    area: Area
    name: str
    state: State
    said: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where `--substrate auto` would put a lab, and why; None when no lab can run here, for all that is `lacking`."""

    substrate: str | None
    why: str
    lacking: tuple[Check, ...] = ()


def judge(checks: Sequence[Check], preferred: str, why: str) -> Verdict:
    """The verdict: `preferred` and `why` are what `auto` chooses, which may still lack something.

    An image, or a base, that is built needs nothing that builds one.
    """
    lacking = [check for check in checks if check.state == "lacking"]
    of_all = [check for check in lacking if check.area in ("host", preferred)]
    if preferred == "microvm":
        built = any(
            check.area == "image" and check.name in ("image", "base") and check.state == "ok" for check in checks
        )
        of_all += [check for check in lacking if check.area == "image" and not built]
    if not of_all:
        return Verdict(preferred, why)
    named = "; ".join(f"{check.name} ({check.said})" for check in of_all)
    return Verdict(None, f"{why}; but {preferred} lacks: {named}", tuple(of_all))


def packages_to_install(lacking: Iterable[Check]) -> str | None:
    """One apt-get line for everything that packages would mend, None when there is nothing."""
    prefix = "apt-get install "
    wanted = {
        package
        for check in lacking
        if check.mend is not None and check.mend.startswith(prefix)
        for package in check.mend.removeprefix(prefix).split()
    }
    return prefix + " ".join(sorted(wanted)) if wanted else None

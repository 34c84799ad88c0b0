"""A lab whose containers Docker Compose makes: gives each agent its plan, and says when the lab is ready.

It makes up the pre-shared keys anew at each start; both ends of every tunnel are in the lab, so nobody else needs them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from secrets import SystemRandom
from typing import Any

from lab.cloud.keys import generate_psk
from lab.control.readiness import lacks
from lab.loop import Loop
from lab.plan.codec import from_json
from lab.plan.containers import CONDUCTOR, PLAN_VARIABLE, RUN_DIRECTORY, node_directory
from lab.plan.model import LabPlan
from lab.plan.report import LabReport, NodeStatus
from lab.runtime.containers import STANDING
from lab.runtime.process import LabProcess
from lab.wire.messages import Message

READY = "ready"
ASK_AGAIN_S = 30.0
"""Seconds between two questions to all agents (chosen: a production BGP hold time, and next to no work)."""


class Readiness:
    """Keeps a file that is there while a lab is ready, for the health check, and prints what is lacking."""

    def __init__(self, plan: LabPlan, mark: Path) -> None:
        self._plan = plan
        self._mark = mark
        self._report = LabReport(plan.name, "", ())
        self._said: str | None = None

    def hear(self, message: Message) -> None:
        """Take what a watcher of the lab process is told."""
        if "lab" in message:
            self._report = from_json(LabReport, message["lab"])
        else:
            news = from_json(NodeStatus, message["node"])
            nodes = tuple(news if node.name == news.name else node for node in self._report.nodes)
            self._report = replace(self._report, nodes=nodes)
        self._say([str(lack) for lack in lacks(self._plan, self._report)])

    def take(self, answer: Message) -> None:
        """Take the lab process's answer to a question for a report."""
        self.hear({"lab": answer["result"]})

    def _say(self, lacking: list[str]) -> None:
        if lacking:
            self._mark.unlink(missing_ok=True)
        else:
            self._mark.touch()
        line = f"waiting for {lacking[0]}" if lacking else f"lab {self._plan.name} is ready"
        if line != self._said:
            self._said = line
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def main() -> None:
    """Conduct the lab whose plan the environment holds, until the container ends."""
    tree: Any = json.loads(os.environ[PLAN_VARIABLE])
    plan = from_json(LabPlan, tree)
    directory = Path(node_directory(CONDUCTOR))
    directory.mkdir(parents=True, exist_ok=True)
    chance = SystemRandom()
    loop = Loop(time.monotonic)
    lab = LabProcess(loop, Path(RUN_DIRECTORY), STANDING)
    lab.apply(tree, {pair.name: generate_psk(chance) for pair in plan.tunnels})
    readiness = Readiness(plan, directory / READY)
    lab.watch(readiness.hear)
    _ask_again(loop, lab, readiness)
    loop.run()


def _ask_again(loop: Loop, lab: LabProcess, readiness: Readiness) -> None:
    """Ask every agent now and then: one whose container is paused tells nobody."""
    lab.report(readiness.take)
    loop.call_at(loop.now() + ASK_AGAIN_S, lambda: _ask_again(loop, lab, readiness))


if __name__ == "__main__":
    main()

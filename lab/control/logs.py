"""Where a node's logs are, and the command that shows them. Pure."""

from __future__ import annotations

from lab.errors import UsageError
from lab.plan.model import LabPlan

LOGS = ("agent", "charon", "exabgp")
RUN_DIRECTORY = "/run/vpnlab"  # lab.runtime's, beside the nodes


def tail(plan: LabPlan, node: str, log: str | None, *, follow: bool, lines: int) -> list[str]:
    """The argv that shows a node's logs, or one of them, when run beside the nodes. Raises UsageError."""
    kept = logs_of(plan, node)
    if log is not None and log not in kept:
        raise UsageError(f"{node} has no log of {log}", mend=f"its logs: {', '.join(kept)}")
    files = [f"{RUN_DIRECTORY}/{plan.name}/{node}/{name}.log" for name in ([log] if log else kept)]
    return ["tail", f"--lines={lines}", *(["--follow=name", "--retry"] if follow else []), *files]


def logs_of(plan: LabPlan, node: str) -> tuple[str, ...]:
    """The logs that a node keeps. Raises UsageError for a node that the lab has not."""
    for found in plan.nodes:
        if found.name == node:
            engines = {"agent": True, "charon": found.endpoint is not None, "exabgp": found.speaker is not None}
            return tuple(log for log in LOGS if engines[log])
    nodes = ", ".join(found.called for found in plan.nodes)
    raise UsageError(f"lab {plan.name} has no node {node}", mend=f"nodes: {nodes}")

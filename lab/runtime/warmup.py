"""What a resident process does once so that nobody waits for it later: import, generate code, rehearse."""

from __future__ import annotations

import gc

from bgp.preload import preload as preload_bgp
from lab.plan.codec import prepare_reading, prepare_writing
from lab.plan.model import LabPlan
from lab.plan.probes import ProbePlan
from lab.plan.report import LabEvent, NodeReport
from lab.runtime.rehearsal import rehearse


def warm_up() -> None:
    """Load what agents and daemons will need. Starts no daemon and makes no key: this ends up in a snapshot."""
    preload_bgp()
    rehearse()
    for read in (LabPlan, ProbePlan):
        prepare_reading(read)
    for written in (NodeReport, LabEvent):
        prepare_writing(written)
    gc.collect()
    gc.freeze()  # children then do not copy the collector's lists page by page

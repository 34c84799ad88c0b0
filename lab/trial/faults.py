"""The faults, by name: what each does to one tunnel of a lab, step by step, and how it is taken back. Pure.

A fault is an edit of the lab's plan or a blow to a process. Taking it back is always the same: the plan on record is
given again, and what was stopped goes on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lab.errors import UsageError
from lab.plan.draining import drained
from lab.plan.model import LabPlan
from lab.trial.edits import (
    dark,
    dropped,
    gateway_of,
    hindered,
    pair_called,
    port_shut,
    prefixes_withdrawn,
    sas_deleted,
    session_closed,
    tunnel_disabled,
)
from lab.trial.model import SIDES, Side

Daemon = Literal["charon", "exabgp", "agent"]
Seen = Literal["nothing", "empty", "ready"]
"""What has to be seen before the next step is taken: nothing; no route over the tunnel at either end; the lab as ready
as the plan that it was given lets it be."""

FLAPS = 3  # chosen: a port that a hand does not plug in right


@dataclass(frozen=True, slots=True)
class Give:
    """The lab is given a plan."""

    plan: LabPlan
    until: Seen = "nothing"


@dataclass(frozen=True, slots=True)
class Blow:
    """A daemon of a node gets a signal."""

    node: str
    daemon: Daemon
    signal: Literal["KILL", "STOP"]


@dataclass(frozen=True, slots=True)
class Course:
    """How a fault goes on a tunnel: its steps, and what is to become of the traffic while it lasts.

    `leaving` are the sides that have to send over another tunnel. With "loss" some of the traffic is lost for as long
    as the fault lasts, in an "outage" all of it.
    """

    steps: tuple[Give | Blow, ...]
    leaving: tuple[Side, ...] = ()
    effect: Literal["none", "loss", "outage"] = "none"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as the user named it. `of_gateway` says that it hits a gateway with all its tunnels."""

    name: str
    summary: str
    course: Callable[[LabPlan, str], Course]
    of_gateway: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the catalogue. `argument` is the pattern of what may follow the name, shown as `usage`."""

    name: str
    summary: str
    make: Callable[[LabPlan, str, str], Course]
    usage: str = ""
    argument: str = ""
    default: str = ""
    of_gateway: bool = False


def catalogue() -> tuple[Kind, ...]:
    """All faults, those of the reference procedure first."""
    return KINDS


def fault_called(text: str) -> Fault:
    """The fault that the user means: "blackhole", "loss 5%", "kill charon", "kill-charon". Raises UsageError."""
    words = " ".join(text.split())
    for spelling in (words, words.replace("-", " ", 1)):
        for kind in KINDS:
            if spelling == kind.name or spelling.startswith(f"{kind.name} "):
                return _fault(kind, spelling.removeprefix(kind.name).strip())
    near = difflib.get_close_matches(words, [kind.name for kind in KINDS], n=1)
    mend = f"did you mean {near[0]}?" if near else "`vpnlab failover --list` names them all"
    raise UsageError(f"there is no fault {text!r}", mend=mend)


def procedure_for(plan: LabPlan, tunnel: str) -> tuple[Fault, ...]:
    """The faults of the reference procedure that a tunnel can have: without BGP there is no session to close."""
    has_session = any(
        neighbor.name == tunnel for node in plan.nodes if node.speaker for neighbor in node.speaker.neighbors
    )
    return tuple(fault_called(name) for name in PROCEDURE if has_session or name not in OF_SESSIONS)


def _fault(kind: Kind, argument: str) -> Fault:
    value = argument or kind.default
    if not re.fullmatch(kind.argument, value):
        raise UsageError(f"fault {kind.name}: {argument!r} cannot be meant", mend=f"write {kind.name} {kind.usage}")
    name = f"{kind.name} {argument}" if argument else kind.name
    return Fault(name, kind.summary, lambda plan, tunnel: kind.make(plan, tunnel, value), kind.of_gateway)


def _plain(edit: Callable[[LabPlan, str], LabPlan], leaving: tuple[Side, ...]) -> Callable[[LabPlan, str, str], Course]:
    """A fault that one edit makes."""
    return lambda plan, tunnel, _: Course((Give(edit(plan, tunnel)),), leaving)


def _tunnel_disable(plan: LabPlan, tunnel: str, _: str) -> Course:
    return Course((Give(drained(plan, (tunnel,)), "empty"), Give(tunnel_disabled(plan, tunnel), "ready")), SIDES)


def _maintenance(plan: LabPlan, tunnel: str, _: str) -> Course:
    """Drain, disable, work - here the customer's port is unplugged and plugged in again - and back by the plan."""
    off = tunnel_disabled(plan, tunnel)
    work = (Give(port_shut(off, tunnel), "ready"), Give(off, "ready"))
    return Course((Give(drained(plan, (tunnel,)), "empty"), Give(off, "ready"), *work), SIDES)


def _blackhole(plan: LabPlan, tunnel: str, way: str) -> Course:
    senders: dict[str, tuple[Side, ...]] = {"both": SIDES, "to-idc": ("cloud",), "to-cloud": ("idc",)}
    return Course((Give(dropped(plan, tunnel, senders[way])),), SIDES)


def _flap(plan: LabPlan, tunnel: str, _: str) -> Course:
    down = port_shut(plan, tunnel)
    return Course((*(Give(down, "empty"), Give(plan, "ready")) * (FLAPS - 1), Give(down)), SIDES)


def _loss(plan: LabPlan, tunnel: str, percent: str) -> Course:
    return Course((Give(hindered(plan, tunnel, loss_percent=float(percent.rstrip("%")))),), effect="loss")


def _delay(plan: LabPlan, tunnel: str, delay: str) -> Course:
    return Course((Give(hindered(plan, tunnel, delay_ms=float(delay.removesuffix("ms")))),))


def _gateway(plan: LabPlan, tunnel: str, side: str) -> Course:
    return Course((Give(dark(plan, _node(plan, tunnel, side)), "empty"),), effect="outage")


def _blow(daemon: Daemon, signal: Literal["KILL", "STOP"]) -> Callable[[LabPlan, str, str], Course]:
    return lambda plan, tunnel, side: Course((Blow(_node(plan, tunnel, side), daemon, signal),))


def _node(plan: LabPlan, tunnel: str, side: str) -> str:
    return gateway_of(pair_called(plan, tunnel), "cloud" if side == "cloud" else "idc")


ON_A_SIDE = {"usage": "[cloud|idc]", "argument": "cloud|idc", "default": "idc"}


def _of_daemon(name: str, summary: str, daemon: Daemon, signal: Literal["KILL", "STOP"]) -> Kind:
    return Kind(f"{name} {daemon}", summary, _blow(daemon, signal), **ON_A_SIDE, of_gateway=True)


KINDS = (
    Kind("bgp-session", "the customer's device closes the tunnel's BGP session", _plain(session_closed, SIDES)),
    Kind(
        "route",
        "the customer's device withdraws its prefixes and keeps the session: what the cloud sends leaves the tunnel",
        _plain(prefixes_withdrawn, ("cloud",)),
    ),
    Kind("port", "the customer's interface that carries the tunnel goes down", _plain(port_shut, SIDES)),
    Kind("tunnel-disable", "the cloud's user disables the tunnel: it is drained, then its SAs go", _tunnel_disable),
    Kind("maintenance", "drain, disable, work on the customer's port, enable, return", _maintenance),
    Kind("ike", "the customer's device deletes the tunnel's SAs and makes no new ones", _plain(sas_deleted, SIDES)),
    Kind(
        "blackhole", "the tunnel's path drops everything silently, both ways or one way", _blackhole,
        usage="[to-idc|to-cloud]", argument="both|to-idc|to-cloud", default="both",
    ),
    Kind(
        "esp-only", "the tunnel's path drops ESP and lets IKE pass",
        lambda plan, tunnel, _: Course((Give(dropped(plan, tunnel, SIDES, "esp")),), SIDES),
    ),
    Kind(
        "udp4500", "the tunnel's path drops UDP port 4500, which carries a tunnel behind NAT and no other",
        lambda plan, tunnel, _: Course((Give(dropped(plan, tunnel, SIDES, "udp4500")),)),
    ),
    Kind(
        "loss", "the tunnel's path loses packets at random, both ways", _loss,
        usage="[PERCENT%]", argument=r"([0-9]{1,2}(\.[0-9]+)?|100)%?", default="5%",
    ),
    Kind(
        "delay", "the tunnel's path delays packets, each way", _delay,
        usage="[MILLISECONDSms]", argument=r"[0-9]{1,4}(ms)?", default="100ms",
    ),
    Kind("flap", f"the customer's port goes down {FLAPS} times, and comes back in between", _flap),
    _of_daemon("kill", "the gateway's IKE daemon is killed, and replaced by itself", "charon", "KILL"),
    _of_daemon("kill", "the gateway's BGP daemon is killed, and replaced by itself", "exabgp", "KILL"),
    _of_daemon("kill", "the gateway's agent is killed with both daemons, and replaced by itself", "agent", "KILL"),
    _of_daemon("freeze", "the gateway's IKE daemon stops where it is", "charon", "STOP"),
    _of_daemon("freeze", "the gateway's BGP daemon stops where it is", "exabgp", "STOP"),
    _of_daemon("freeze", "the gateway's agent stops where it is", "agent", "STOP"),
    Kind("gateway", "a whole gateway is gone, and comes back", _gateway, **ON_A_SIDE, of_gateway=True),
)  # fmt: skip

PROCEDURE = ("bgp-session", "route", "port", "tunnel-disable")
"""The faults of the reference procedure, and the cloud's own: what is played unless others are named."""

OF_SESSIONS = ("bgp-session", "route")

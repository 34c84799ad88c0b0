"""The probes of a running lab, from here: started, listened to while they run, and ended."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from lab.errors import LabSaysNo, NotConverged
from lab.plan.codec import to_json
from lab.plan.model import LabPlan
from lab.plan.probes import ProbeEnd, ProbePlan, TcpPlan
from lab.substrate import pace
from lab.trial.loss import TunnelsUsed, direction_result
from lab.trial.model import SIDES, DirectionResult, ProbeLoad, Side, TcpResult
from lab.trial.notes import NS, Notes
from lab.trial.stalls import Stream, tcp_result
from lab.wire.client import Client, error_of
from lab.wire.messages import Message
from lab.wire.numbers import unpacked

# Chosen.
DEFAULT_LOAD = ProbeLoad(flows=16, rate=1000.0, payload_bytes=64)
FIRST_PORT, SINK_PORT = 9100, 9000
TCP_PORT = 9001
TCP_BYTES_S = 50_000.0
GRACE_S = 1.0
"""A packet that has not come for so long is lost, until it comes after all (on the reference host)."""
END_OF_TIME = 2.0**33
"""After everything that is ever noted (Unix, seconds)."""
START_S = 10.0
ANSWER_S = 5.0


def probe_plan(plan: LabPlan, tunnel: str, load: ProbeLoad, tcp_source_port: int | None) -> ProbePlan:
    """Probes between the instance and the host whose ping proves `tunnel`. Raises LabSaysNo when there are none."""
    ping = next((ping for ping in plan.pings if ping.tunnel == tunnel), None)
    if ping is None:
        raise LabSaysNo(
            f"tunnel {tunnel}: nothing can be sent through it",
            mend="give an instance to a VPC that is attached to its border gateway, and a host to a LAN of its device",
        )
    return ProbePlan(
        ends=(ProbeEnd(ping.source_node, ping.source), ProbeEnd(ping.destination_node, ping.destination)),
        flows=load.flows,
        rate=load.rate,
        payload_bytes=load.payload_bytes,
        first_port=FIRST_PORT,
        sink_port=SINK_PORT,
        token=secrets.randbits(64),
        quiet_s=GRACE_S * pace.slowness(),
        tcp=TcpPlan(tcp_source_port, TCP_PORT, TCP_BYTES_S) if tcp_source_port else None,
    )


@contextmanager
def probing(client: Client, lab: str, plan: ProbePlan) -> Iterator[Probes]:
    """Probes that send while the block runs. The session is theirs until they have been finished."""
    client.send({"call": "probe", "args": {"lab": lab, "plan": to_json(plan)}})
    probes = Probes(client, plan)
    probes.wait_until(probes.began, START_S * pace.slowness(), "a first packet of the probes both ways")
    yield probes


class Probes:
    """What the probes have noted so far. Nothing is heard but while one of the methods waits, and nothing is lost."""

    def __init__(self, client: Client, plan: ProbePlan) -> None:
        self._client = client
        self._plan = plan
        self._stream = Stream(plan.tcp.rate if plan.tcp else 0.0)
        self._marks: dict[int, float] = {}
        self._ended = False
        grace_ns = round(GRACE_S * pace.slowness() * NS)
        self.notes: Mapping[Side, Notes] = {side: Notes(plan.rate, grace_ns) for side in SIDES}

    def began(self) -> bool:
        """Whether both ends send."""
        return all(notes.sent for notes in self.notes.values())

    def now(self) -> float:
        """The time on the lab's clock, that of everything noted here (Unix, seconds)."""
        number = len(self._marks)
        self._client.send({"mark": number})
        self.wait_until(lambda: number in self._marks, ANSWER_S * pace.slowness(), "an answer of the probes")
        return self._marks[number]

    def wait_lossless(self, for_s: float, within_s: float, *, since: float = 0.0) -> Mapping[Side, float]:
        """Wait until nothing was lost for so long, both ways, of what was sent after `since`.

        Returns by sender from when on nothing was lost. `within_s` is for the reference host. Raises NotConverged.
        """
        since_ns, for_ns = round(since * NS), round(for_s * NS)

        def lossless() -> bool:
            return all(notes.lossless_ns(since_ns)[1] >= for_ns for notes in self.notes.values())

        self.wait_until(lossless, within_s * pace.slowness(), f"{for_s:g} s without loss both ways")
        return {side: notes.lossless_ns(since_ns)[0] / NS for side, notes in self.notes.items()}

    def wait_settled(self, until: float) -> None:
        """Wait until it is known what became of all that was sent before `until`."""
        until_ns = round(until * NS)
        longest_s = (2 * GRACE_S + ANSWER_S) * pace.slowness()
        self.wait_until(
            lambda: all(notes.settled_until_ns >= until_ns for notes in self.notes.values()), longest_s,
            "news of the packets on their way",
        )  # fmt: skip

    def wait_until(self, happened: Callable[[], bool], within_s: float, what: str) -> None:
        """Listen until `happened`, for `within_s` at most. Raises NotConverged, and LabError when a prober fails."""
        deadline = time.monotonic() + within_s
        while not happened():
            message = self._client.receive(deadline - time.monotonic())
            if message is None:
                raise NotConverged(f"no {what} within {within_s:.0f} s; {self._seen()}")
            self._hear(message)

    def finish(self) -> None:
        """Have the probes stop, and hear what was on its way. The session is free then."""
        self._client.send({"stop": True})
        self.wait_until(lambda: self._ended, (2 * GRACE_S + START_S) * pace.slowness(), "end of the probes")

    def directions(
        self, begin: float, end: float, tunnels: Mapping[Side, Sequence[TunnelsUsed]]
    ) -> tuple[DirectionResult, ...]:
        """What became of all that was sent between two times; `tunnels` are those that each flow used then."""
        begin_ns, end_ns = round(begin * NS), round(end * NS)
        return tuple(
            direction_result(side, self.notes[side], self._plan, begin_ns, end_ns, tunnels[side]) for side in SIDES
        )

    def tcp(self, begin: float, end: float, tunnel: str | None) -> TcpResult | None:
        """What the TCP flow felt between two times, None when there is none; `tunnel` is the one it began in."""
        if self._plan.tcp is None:
            return None
        return tcp_result(self._stream, round(begin * NS), round(end * NS), tunnel)

    def _seen(self) -> str:
        """How the directions are now, in words."""
        words = []
        for side, notes in self.notes.items():
            _, clean_ns = notes.lossless_ns(0)
            words.append(f"from {side}: {len(notes.sent)} sent, {len(notes.numbers)} came, "
                         f"the last {clean_ns / NS:.1f} s without loss")  # fmt: skip
        return "; ".join(words)

    def _hear(self, message: Message) -> None:
        if "error" in message:
            raise error_of(message["error"])
        if "result" in message:
            self._ended = True
        elif "mark" in message:
            self._marks[message["mark"]] = message["at"]
        elif "end" in message:
            self._note(message)
        else:
            self._stream.hear(message)

    def _note(self, message: Message) -> None:
        """An end tells what it has sent, and what came from the other one."""
        here, there = SIDES[message["end"]], SIDES[1 - message["end"]]
        if "began" in message:
            self.notes[here].began_ns = message["began"]
            return
        self.notes[here].add_sent(unpacked("q", message["sent"]))
        self.notes[there].add_arrivals(
            unpacked("I", message["numbers"]), unpacked("q", message["stamps"]), message["until"], message["dropped"]
        )

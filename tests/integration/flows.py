"""Numbered UDP flows both ways between two nodes of a lab, so that every lost packet is known by its number."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.substrate import pace

SCRIPT = (Path(__file__).parent / "udp_flows.py").read_text()
ANSWER_S = 60.0


@dataclass
class Losses:
    """What became of the flows: packets sent and lost by direction, the rate that was reached. Filled at the end."""

    sent: dict[str, int] = field(default_factory=dict)
    lost: dict[str, list[list[int]]] = field(default_factory=dict)
    rate: dict[str, float] = field(default_factory=dict)
    doubled: int = 0


class End:
    """One end, in a session of its own."""

    def __init__(self, lab, client, node, own, peer, flows, rate):
        self.node = node
        self._client = client
        self._out = bytearray()
        self._errors = bytearray()
        lab.start_exec(client, node, ["python3", "-c", SCRIPT, own, peer, str(flows), str(rate)])

    def say(self, word):
        self._client.send({"input": base64.b64encode(f"{word}\n".encode()).decode()})

    def line(self):
        """The next line that it prints."""
        while b"\n" not in self._out:
            message = self._client.receive(ANSWER_S * pace.slowness())
            assert message is not None, f"the flows of {self.node} are silent"
            assert "result" not in message, f"the flows of {self.node} ended: {self._errors.decode()}"
            self._out += base64.b64decode(message.get("out", ""))
            self._errors += base64.b64decode(message.get("err", ""))
        line, _, rest = self._out.partition(b"\n")
        self._out = bytearray(rest)
        return line.decode()


@contextmanager
def udp_flows(lab, ends, *, flows, rate) -> Iterator[Losses]:
    """Send `rate` packets a second over `flows` flows each way between two (node, address) while the body runs."""
    losses = Losses()
    (one, one_address), (other, other_address) = ends
    with ExitStack() as stack:
        here = End(lab, stack.enter_context(lab.session()), one, one_address, other_address, flows, rate)
        there = End(lab, stack.enter_context(lab.session()), other, other_address, one_address, flows, rate)
        for end in (here, there):
            assert end.line() == "ready"
        for end in (here, there):
            end.say("go")
        yield losses
        for end in (here, there):
            end.say("stop")
        said = [json.loads(end.line()) for end in (here, there)]
    for sender, receiver, name in ((said[0], said[1], f"{one} to {other}"), (said[1], said[0], f"{other} to {one}")):
        losses.sent[name] = sum(sender["sent"])
        losses.rate[name] = sum(sender["sent"]) / sender["seconds"]
        losses.lost[name] = [
            sorted(set(range(count)) - set(came))
            for count, came in zip(sender["sent"], receiver["received"], strict=True)
        ]
        losses.doubled += receiver["doubled"]

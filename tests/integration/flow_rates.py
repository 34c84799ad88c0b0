"""Flows between the reference lab's two hosts whose rate is measured where they end."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.substrate import pace

SCRIPT = (Path(__file__).parent / "rate_of_flow.py").read_text()
ANSWER_S, SURPLUS_S = 60.0, 2.0
DIRECTIONS = {"out": ("vm1", "hq-host", "172.16.1.10"), "in": ("hq-host", "vm1", "10.0.1.10")}
"""As the cloud sees them: from, to, and the address there."""


class Arrival:
    """The end of a flow that is under way."""

    def __init__(self, client) -> None:
        self._client = client
        self._said = b""

    def line(self) -> str:
        """The next line that it prints."""
        while b"\n" not in self._said:
            message = self._client.receive(ANSWER_S * pace.slowness())
            assert message is not None, "the flow is silent"
            assert "err" not in message, b64decode(message["err"])
            assert "result" not in message, "the flow ended"
            self._said += b64decode(message.get("out", ""))
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def bps(self) -> float:
        """The bit/s of inner packets that came; waits for as long as is measured."""
        return float(self.line())


@contextmanager
def flow(lab, protocol, direction, *, bps=0, seconds=5) -> Iterator[Arrival]:
    """Send for so long, UDP at `bps` and TCP as fast as it goes, and a little longer than is measured."""
    source, destination, address = DIRECTIONS[direction]
    with lab.session() as receiving, lab.session() as sending:
        lab.start_exec(receiving, destination, ["python3", "-c", SCRIPT, "receive", protocol, str(seconds)])
        arrival = Arrival(receiving)
        assert arrival.line() == "ready"
        sent_s = str(seconds + SURPLUS_S)
        lab.start_exec(sending, source, ["python3", "-c", SCRIPT, "send", protocol, address, str(bps), sent_s])
        yield arrival

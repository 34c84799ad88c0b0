"""What a TCP flow's receiver felt. Pure."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import pairwise

from lab.trial.model import TcpResult
from lab.trial.notes import NS
from lab.wire.messages import Message
from lab.wire.numbers import unpacked


@dataclass
class Stream:
    """How many bytes came when (nanoseconds since the Unix epoch), of `rate` bytes a second that were offered.

    `broken` says why the connection ended, None while it stands.
    """

    rate: float
    times: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("I"))
    broken: str | None = None

    def hear(self, message: Message) -> None:
        """Take in what an end of the connection says."""
        if "tcp_broken" in message:
            self.broken = self.broken or str(message["tcp_broken"])
        else:
            self.times.extend(unpacked("q", message["tcp_times"]))
            self.sizes.extend(unpacked("I", message["tcp_sizes"]))


def tcp_result(stream: Stream, begin_ns: int, end_ns: int, tunnel: str | None) -> TcpResult:
    """What came between two times, and the longest time in between in which nothing came."""
    within = [
        (at, size) for at, size in zip(stream.times, stream.sizes, strict=True) if begin_ns <= at < end_ns
    ]  # fmt: skip
    edges = [begin_ns, *(at for at, _ in within), end_ns]
    stall, since = max((later - earlier, earlier) for earlier, later in pairwise(edges))
    return TcpResult(
        sender="cloud",
        tunnel=tunnel,
        offered_bit_s=8 * stream.rate,
        received_bit_s=8 * sum(size for _, size in within) * NS / (end_ns - begin_ns),
        longest_stall_s=stall / NS,
        stalled_at=since / NS,
        broken=stream.broken,
    )

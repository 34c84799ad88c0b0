"""What both ends of one direction of the probes have noted so far, and how much of it is final. Pure."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

NS = 1_000_000_000


@dataclass
class Notes:
    """Packets of one direction, numbered from 0. Times are nanoseconds since the Unix epoch, of the lab's one clock.

    `sent[n]` is when packet n left, 0 when it was skipped. `numbers` and `stamps` are packets in the order in which
    they came, and when by the kernel. All that had come until `drained_until` is in them. `drops` has by time how many
    packets the receiver's queue had no room for since the beginning.
    """

    rate: float
    grace_ns: int
    began_ns: int = 0
    sent: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("I"))
    stamps: array[int] = field(default_factory=lambda: array("q"))
    drops: list[tuple[int, int]] = field(default_factory=list)
    drained_until: int = 0
    _came: set[int] = field(default_factory=set)
    _settled: int = 0
    _last_lost_ns: int = -1

    def add_sent(self, sent: array[int]) -> None:
        """The sender notes when the next packets left."""
        self.sent.extend(sent)
        self._settle()

    def add_arrivals(self, numbers: array[int], stamps: array[int], drained_until: int, dropped: int) -> None:
        """The receiver notes what came until `drained_until`, and how much it has dropped since the beginning."""
        self.numbers.extend(numbers)
        self.stamps.extend(stamps)
        self.drained_until = drained_until
        self.drops.append((drained_until, dropped))
        self._came.update(numbers)
        self._settle()

    @property
    def settled_until_ns(self) -> int:
        """Of every packet sent before this time it is known what became of it."""
        return self.sent[self._settled] if self._settled < len(self.sent) else self._last_sent()

    def lossless_ns(self, since_ns: int) -> tuple[int, int]:
        """From when on, and for how long, nothing was lost that was sent since `since_ns`, as far as is known.

        A packet counts as lost when it has not come within the grace; one that comes later still is found to be late
        by `lab.trial.loss` alone.
        """
        begin = max(since_ns, self.began_ns, self._last_lost_ns + 1)
        return begin, max(0, self.settled_until_ns - begin)

    def lost_since(self, since_ns: int) -> bool:
        """Whether a packet that was sent since then is lost."""
        return self._last_lost_ns >= since_ns

    def _settle(self) -> None:
        while self._settled < len(self.sent):
            sent = self.sent[self._settled]
            if sent and self._settled not in self._came:
                if sent + self.grace_ns > self.drained_until:
                    return
                self._last_lost_ns = sent
            self._settled += 1

    def _last_sent(self) -> int:
        return next((sent for sent in reversed(self.sent) if sent), 0)

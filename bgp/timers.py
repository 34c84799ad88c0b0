"""ExaBGP's timers, to the fraction of a second. In the place of its own, in its process only.

ExaBGP counts whole seconds of the time of day and lets a session die when more than the hold time has passed: with 3 s
that is up to 4 s after the last message. Its keepalives have no setting. Both timers here run on the monotonic clock;
a hold time ends when it is over (RFC 4271, section 6.5), and a neighbor's description may name its keepalive interval.
Refused connections are tried again after up to a minute there; here after a second.
"""

from __future__ import annotations

import time
from typing import Any

from exabgp.bgp.message import _NOP, KeepAlive, Notify
from exabgp.bgp.timer import ReceiveTimer
from exabgp.reactor.keepalive import KA

from bgp.configuration import keepalive_noted

LONGEST_RETRY_S = 1.0
"""Seconds between two vain attempts to connect (chosen: a session that its other end opens again is there within a
second or two, and a refused connection a second costs next to nothing)."""


class HoldTimer(ReceiveTimer):  # type: ignore[misc]
    """Ends a session when nothing was received for the hold time."""

    def __init__(self, session: object, holdtime: int, code: int, subcode: int, message: str = "") -> None:
        super().__init__(session, holdtime, code, subcode, message)
        self._last = time.monotonic()

    def check_ka_timer(self, message: Any = _NOP, ignore: int = _NOP.TYPE) -> bool:  # noqa: ANN401 - ExaBGP has no types
        """Whether all is well with this message, or with none. Raises Notify at the end of the hold time."""
        if self.holdtime == 0:
            return bool(message.TYPE != KeepAlive.TYPE)
        now = time.monotonic()
        if ignore != message.TYPE:
            self._last = now
        if now - self._last >= self.holdtime:
            raise Notify(self.code, self.subcode, self.message)
        return True


class KeepaliveTimer:
    """In the place of a SendTimer: the next KEEPALIVE is due `interval_s` after the last one; 0 is never."""

    def __init__(self, interval_s: float) -> None:
        self.keepalive = interval_s
        self._next = time.monotonic() + interval_s

    def need_ka(self) -> bool:
        """Whether one is due now; then the next one is not before the interval is over."""
        now = time.monotonic()
        if not self.keepalive or now < self._next:
            return False
        self._next = now + self.keepalive
        return True


class Keepalives(KA):  # type: ignore[misc]
    """Sends a session's KEEPALIVEs."""

    def __init__(self, session: object, proto: Any) -> None:  # noqa: ANN401 - ExaBGP has no types
        super().__init__(session, proto)
        hold_time_s = int(proto.negotiated.holdtime)
        noted_s = keepalive_noted(str(proto.neighbor["description"]))
        self.send_timer = KeepaliveTimer(interval_of(hold_time_s, noted_s))


class Delay:
    """In the place of ExaBGP's: how long after a refused connection the next one is tried, up to a minute there."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """The next attempt may be made at once."""
        self._not_before = 0.0
        self._next_s = 0.0

    def increase(self) -> None:
        """An attempt failed."""
        self._not_before = time.monotonic() + self._next_s
        self._next_s = LONGEST_RETRY_S

    def backoff(self) -> bool:
        """Whether it is too early for the next one."""
        return time.monotonic() < self._not_before


def interval_of(hold_time_s: int, wanted_s: int | None) -> float:
    """Seconds between KEEPALIVEs: what is wanted, else a third of the negotiated hold time (RFC 4271, section 4.4).

    A peer may ask for a shorter hold time than ours, which what is wanted might not keep: then it is the third, too.
    0 where neither timer runs.
    """
    return float(wanted_s) if wanted_s and wanted_s < hold_time_s else hold_time_s / 3

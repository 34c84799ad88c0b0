"""A single-threaded event loop: file descriptors and timers.

Agents and the lab process fork children that go on running Python, which neither threads nor a running asyncio
loop survive; `selectors` does. Callbacks run to their end, one after the other.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
from collections.abc import Callable, Iterable, Mapping

Callback = Callable[[], None]


class Timer:
    """A callback due at a time of the loop's clock; `cancel` makes it not happen."""

    def __init__(self, callback: Callback) -> None:
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Forget the callback. Cancelling twice, or after it ran, does nothing."""
        self.callback = None


class Loop:
    """Waits for what is readable and what is due. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._running = False

    def call_at(self, when: float, callback: Callback) -> Timer:
        """Run `callback` once the clock shows `when`."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def watch(self, fileno: int, readable: Callback, writable: Callback | None = None) -> None:
        """Run `readable` when `fileno` can be read, `writable` when it can be written; a second call replaces both."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writable else 0)
        if fileno in self._selector.get_map():
            self._selector.modify(fileno, events, (readable, writable))
        else:
            self._selector.register(fileno, events, (readable, writable))

    def forget(self, fileno: int) -> None:
        """Watch `fileno` no longer. Call it before the descriptor's number is used again."""
        if fileno in self._selector.get_map():
            self._selector.unregister(fileno)

    def watched(self) -> frozenset[int]:
        """The descriptors that are watched now."""
        return frozenset(key.fd for key in self._selector.get_map().values())

    def watch_instead(self, before: Iterable[int], wanted: Mapping[int, Callback]) -> frozenset[int]:
        """Watch `wanted`, descriptors with their callbacks, in place of `before`. Returns what is watched now.

        Those of `before` may be closed by now and their numbers mean something else, so each is watched anew.
        """
        for fileno in before:
            self.forget(fileno)
        for fileno, callback in wanted.items():
            self.watch(fileno, callback)
        return frozenset(wanted)

    def stop(self) -> None:
        """Let `run` return after the present callback."""
        self._running = False

    def run(self) -> None:
        """Serve descriptors and timers until `stop` is called."""
        self._running = True
        while self._running:
            for key, ready in self._selector.select(self._wait_s()):
                readable, writable = key.data
                if ready & selectors.EVENT_WRITE and self._is_current(key):
                    writable()
                if ready & selectors.EVENT_READ and self._is_current(key):
                    readable()
            self._run_due()

    def close(self) -> None:
        """Give the selector's descriptor back; for a forked child that makes a loop of its own."""
        self._selector.close()

    def _is_current(self, key: selectors.SelectorKey) -> bool:
        """Whether no callback of this round has stopped the loop or forgotten the descriptor."""
        return self._running and key.fd in self._selector.get_map()

    def _wait_s(self) -> float | None:
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.now()) if self._timers else None

    def _run_due(self) -> None:
        """Run what is due. What that makes due in its turn waits until descriptors have been served."""
        now = self.now()
        due = []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers))
        for entry in due:
            if not self._running:
                heapq.heappush(self._timers, entry)
                continue
            _, _, timer = entry
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

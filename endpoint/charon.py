"""charon as a child of this process: started, connected to, and started again when it dies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from endpoint.control import Commands, DaemonSilentError, Events, RefusedError
from endpoint.daemon import Daemon, present_plugins, processor_s
from endpoint.patience import Limits, Patience
from endpoint.plan import Retransmission
from endpoint.reasons import is_noise
from endpoint.settings import render_settings
from endpoint.xfrm import flush_xfrm

# A charon that is not ready after so long without work hangs; on a quiet machine the slowest start seen took a second.
STARTING = Limits(look_s=5.0, idle_s=30.0, longest_s=300.0)
# So does one that leaves a command unanswered; in a quiet guest without hardware virtualisation the slowest answer seen
# took a quarter of a second, in one with ten connections and a single processor more than ten seconds.
ANSWERING = Limits(look_s=0.5, idle_s=10.0, longest_s=120.0)
# A charon that lived so long died of something new: it is started again at once.
LIVED_WELL_S = 10.0
LONGEST_BACKOFF_S = 10.0
DYING_S = 0.5


class Charon:
    """One charon and the VICI connections to it; `listens_to` names the events that are wanted of it.

    `on_ready` is called when it can be talked to, `on_death` with how it ended. `now` is monotonic time in seconds.
    """

    def __init__(
        self,
        directory: Path,
        listens_to: tuple[str, ...],
        *,
        now: Callable[[], float],
        plugins: tuple[str, ...],
        on_ready: Callable[[], None],
        on_death: Callable[[str], None],
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._listens_to = listens_to
        self._now = now
        self._plugins = present_plugins(plugins)
        self._on_ready = on_ready
        self._on_death = on_death
        self._settings = ""
        self._daemon: Daemon | None = None
        self._events: Events | None = None
        self._starting: Patience | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._deaths = 0
        self.commands: Commands | None = None
        self.restarts = 0
        self.last_exit: str | None = None

    @property
    def pid(self) -> int | None:
        """Its process, None while it does not run."""
        return self._daemon.pid if self._daemon else None

    @property
    def why_silent(self) -> str | None:
        """Why nothing can be asked of it, in words; None when it answers."""
        if self._daemon is None:
            return f"charon {self.last_exit}" if self.last_exit else "charon is not started"
        return "charon is starting" if self.commands is None else None

    def filenos(self) -> tuple[int, ...]:
        """Descriptors to watch for reading."""
        if self._daemon is None:
            return ()
        listening = self._daemon.notify if self._events is None else self._events
        return self._daemon.pidfd, listening.fileno()

    def due(self) -> float | None:
        """The monotonic time at which `ensure` wants to be called again, None for no wish."""
        if self._daemon is None:
            return self._start_at
        return self._starting.next_look if self._starting is not None else None

    def ensure(self, retransmission: Retransmission) -> None:
        """Have it run with these settings; returns before it is ready.

        Raises EndpointError where this node lacks something.
        """
        now = self._now()
        if self._starting is not None and now >= self._starting.next_look and self._starting.is_over():
            self.lose(f"not ready after {now - self._started_at:.0f} s")
        settings = render_settings(self._directory, retransmission, self._plugins)
        if settings != self._settings:
            path = self._directory / "strongswan.conf"
            path.touch(mode=0o600)
            path.write_text(settings)
            if self.commands is not None:
                with suppress(RefusedError):  # what it does not take now it reads at its next start
                    self.commands.request("reload-settings", None)
            self._settings = settings
        if self._daemon is None and now >= self._start_at:
            # SAs and policies of a predecessor would carry traffic that nobody watches over.
            flush_xfrm()
            self.restarts += 1 if self.last_exit else 0
            self._daemon = Daemon(self._directory)
            self._started_at = now
            self._starting = Patience(STARTING, self._processor_s, self._now)

    def process(self) -> Events | None:
        """See whether it has become ready or died, without blocking; what it says, once it can be talked to."""
        if self._daemon is None:
            return None
        ended = self._daemon.ended()
        if ended is not None:
            self.lose(ended)
        elif self._events is None and self._daemon.check_ready():
            self._connect()
            return None
        return self._events

    def lose(self, how: str) -> None:
        """It died, or is as good as dead."""
        self._disconnect()
        if self._daemon is not None:
            # A closed socket is seen a moment before the death that closed it.
            ended = self._daemon.ended(within_s=DYING_S)
            self._daemon.end(politely=False)
            how = ended or how
            self._daemon.close()
            self._daemon = None
        now = self._now()
        self._deaths = 1 if now - self._started_at >= LIVED_WELL_S else self._deaths + 1
        self._start_at = now + (0 if self._deaths == 1 else min(2.0 ** (self._deaths - 2), LONGEST_BACKOFF_S))
        self.last_exit = how
        self._on_death(how)

    def stop(self) -> None:
        """End it, reap it and flush this namespace's XFRM state; a later `ensure` starts afresh."""
        self._disconnect()
        if self._daemon is not None:
            self.last_exit = self._daemon.end(politely=True)
            self._daemon.close()
            self._daemon = None
        flush_xfrm()

    def _connect(self) -> None:
        self._starting = None
        path = self._directory / "vici"
        try:
            self.commands = Commands(path, self._answering)
            self._events = Events(path, self._listens_to, is_noise, self._answering)
        except DaemonSilentError as error:
            self.lose(str(error))
            return
        self._on_ready()

    def _disconnect(self) -> None:
        for channel in (self.commands, self._events):
            if channel is not None:
                channel.close()
        self.commands = self._events = self._starting = None

    def _answering(self) -> Patience:
        return Patience(ANSWERING, self._processor_s, self._now)

    def _processor_s(self) -> float:
        return processor_s(self._daemon.pid) if self._daemon is not None else 0.0

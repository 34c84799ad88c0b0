"""A replaced IKE SA hands its children over to the next one.

IKEv2 rekeys, and the child is missing only from a listing that charon made while it moved. IKEv1 has no rekeying of an
IKE SA: a new one is made, and takes the children along. Two things look otherwise than they are meanwhile. For a moment
charon lists the child under neither SA, at the end that starts the new one as at the end that answers, and the tunnel
seems to be down. Then the end that starts it lists the child under an SA that is not there yet, and the tunnel seems to
be up as long as the child lives, though the peer may be dead: nothing but the new SA's first message asks whether it is
there, and charon repeats that for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from endpoint.plan import Retransmission
from endpoint.security_associations import TunnelSas

# The child is listed nowhere while the first message is made, or while the end that answers moves it: some tens of
# milliseconds at most, in a guest without hardware virtualisation some hundreds. A peer that deletes an IKEv1 child and
# keeps the IKE SA is believed so much later.
HAND_OVER_S = 1.0

Verdict = Literal["as seen", "still up", "lost"]


def silence_s(schedule: Retransmission) -> float:
    """Seconds until a peer that answers nothing is dead: the first wait and one for each repetition."""
    return sum(schedule.timeout_s * schedule.base**n for n in range(schedule.tries + 1))


@dataclass(slots=True)
class HandOvers:
    """The hand-overs under way: until when each is believed, by tunnel and by what charon lists meanwhile."""

    _until: dict[tuple[str, str], float] = field(default_factory=dict)
    _spis: dict[str, str] = field(default_factory=dict)
    _now: float = 0.0

    def verdict(self, name: str, sas: TunnelSas | None, *, was_up: bool, now: float, patience_s: float) -> Verdict:
        """What to think of a tunnel that charon lists so; `patience_s` is how long a silent peer may live."""
        self._now = now
        phase, believed_s = "", 0.0
        if sas is not None and sas.handing_over and was_up:
            phase, believed_s = "handing over", HAND_OVER_S
        elif sas is not None and sas.replacing:
            phase, believed_s = "replacing", patience_s
        for key in [key for key in self._until if key[0] == name and key[1] != phase]:
            del self._until[key]
        if not phase:
            return "as seen"
        is_believed = now < self._until.setdefault((name, phase), now + believed_s)
        if phase == "handing over":
            return "still up" if is_believed else "as seen"
        return "as seen" if is_believed else "lost"

    def due(self) -> Iterable[float]:
        """The times at which something is believed no longer."""
        return [until for until in self._until.values() if until > self._now]

    def forget(self, name: str) -> None:
        """The tunnel is gone."""
        for key in [key for key in self._until if key[0] == name]:
            del self._until[key]

    def replaced(self, found: Mapping[str, TunnelSas]) -> tuple[str, ...]:
        """The tunnels whose IKE SA is another one since the last call, for which charon has no event."""
        spis = {name: sas.ike.spi_initiator for name, sas in found.items() if sas.carrying and sas.ike.version == 1}
        changed = tuple(name for name, spi in spis.items() if self._spis.get(name, spi) != spi)
        self._spis = spis
        return changed

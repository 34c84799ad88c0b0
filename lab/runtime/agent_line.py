"""What the lab process says to one agent, over whatever connection there is to it at the moment."""

from __future__ import annotations

from lab.wire.channel import Channel
from lab.wire.messages import Message


class AgentLine:
    """The line to one node's agent. `wanted` is the plan that it is to have, None once it is not wanted any more."""

    def __init__(self) -> None:
        self.wanted: Message | None = None
        self._channel: Channel | None = None

    @property
    def is_open(self) -> bool:
        """Whether the agent is at the other end."""
        return self._channel is not None

    def open(self, channel: Channel, also: Message | None = None) -> None:
        """The agent is there, or there again: it is told what is wanted, and `also` this."""
        self._channel = channel
        if self.wanted is not None:
            channel.send(self.wanted | (also or {}))

    def give(self, plan: Message) -> None:
        """Tell the agent its plan now, if it is there, and whenever it is there again."""
        self.wanted = plan
        if self._channel is not None:
            self._channel.send(plan)

    def ask(self, number: int) -> bool:
        """Ask the agent to look now and to answer with `number`; False when it is not there."""
        if self._channel is None:
            return False
        self._channel.send({"observe": number})
        return True

    def hang_up(self) -> None:
        """Close the line; the agent, if it lives, sees that."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

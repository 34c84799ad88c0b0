"""Cutting what comes through a pipe into lines, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass, field

# Chosen: an UPDATE has 4096 octets at most (RFC 4271 section 4.1), which become less than 100 kB of JSON.
LONGEST_LINE = 1 << 20

# Of a line that is too long, this much is still handed on: it says whose it is.
HEAD = 1024


@dataclass(frozen=True, slots=True)
class TooLong:
    """The head of a line that was thrown away."""

    head: bytes


@dataclass(slots=True)
class Lines:
    """The lines of a stream that arrives in pieces."""

    rest: bytearray = field(default_factory=bytearray)
    skipping: bool = False

    def feed(self, data: bytes) -> list[bytes | TooLong]:
        """The lines that this piece completes, without their ends."""
        complete: list[bytes | TooLong] = []
        *ends, rest = data.split(b"\n")
        for end in ends:
            if self.skipping:
                self.skipping = False
            elif len(self.rest) + len(end) > LONGEST_LINE:
                complete.append(TooLong(bytes(self.rest + end[:HEAD])[:HEAD]))
            else:
                complete.append(bytes(self.rest) + end)
            self.rest.clear()
        if not self.skipping:
            self.rest += rest
            if len(self.rest) > LONGEST_LINE:
                complete.append(TooLong(bytes(self.rest[:HEAD])))
                self.rest.clear()
                self.skipping = True
        return complete

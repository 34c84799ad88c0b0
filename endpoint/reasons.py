"""Why a tunnel is not up, in words: read from charon's log messages."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from endpoint.plan import TunnelPlan

# Each message that tells a reason, and the words for it. The first match counts; what is not
# listed (vendor IDs, packets, an accepted DH group) says nothing about a failure.
_WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"received (\w+) (?:notify error|error notify)", r"\1 from the peer"),
        (r"received (\w+) notify, no CHILD_SA built", r"\1 from the peer for the child SA"),
        (r"received proposals: (.+)", r"the peer proposes \1"),
        (r"no IKE config found for (\S+?)\.\.\.([^\s,]+)", r"no tunnel is configured from \1 to \2 for what \2 asks"),
        (r"tried \d+ shared keys? for (.+), but MAC mismatched", r"the pre-shared keys of \1 differ"),
        (r"no shared key found for (.+)", r"no pre-shared key for \1"),
        (r"traffic selectors (.+) unacceptable", r"the peer's traffic selectors \1 are unacceptable"),
        (r"giving up after (\d+) retransmits", r"no answer from the peer, gave up after \1 retransmits"),
        (r"message parsing failed|decryption failed", r"a message cannot be decrypted; with IKEv1: different keys"),
        (r"unable to install (.+) in kernel", r"the kernel refuses \1"),
        (r"received DELETE for (IKE_SA|\w+ CHILD_SA)", r"the peer deleted the \1"),
        (r"(\w+) with (\w+) not supported", r"charon has no \1 with \2"),
        (r"(key derivation failed)", r"\1"),
        (r"(integrity check failed)", r"\1"),
        (r"(?:DPD|dead peer detection).*(timed out)", r"dead peer detection \1"),
    )
)
# A reason, but not the end of an attempt: the peer may still be starting.
_WAITING = re.compile(r"retransmit (\d+) of request")
_CONFIGURED = re.compile(r"configured proposals: (.+)")
_LOOKING_FOR = re.compile(r"looking for peer configs matching (.+)")
_NONE_FOUND = re.compile(r"no matching peer config found")
_IS_CONFIG_CHOSEN = re.compile(r"selected peer config")
_PACKET = re.compile(r"received packet: from ([\d.]+)\[\d+\] to ([\d.]+)\[\d+\]")
# What each dead peer detection logs, several lines a second. The name is known by then: without it a packet may be the
# first of a new peer.
_NOISE = re.compile(
    rb"sending DPD request|(?:generating|parsed) INFORMATIONAL re(?:quest|sponse) \d+ \[ \]|sending packet: from"
    rb"|ikesa-name..(?!\(unnamed\)).*received packet: from",
    re.DOTALL,
)
_LONGEST = 300
_MOST_REMEMBERED = 64


def reason_in(message: str) -> str | None:
    """The failure that a log message tells, or None."""
    for pattern, words in _WORDS:
        if match := pattern.search(message):
            return match.expand(words)
    return None


def is_noise(event: bytes) -> bool:
    """Whether an event, undecoded as VICI has it, is a line of the log that never tells a reason."""
    return _NOISE.search(event) is not None


def printable(raw: bytes) -> str:
    """Text for people from bytes that a peer may have chosen: one line, no control characters, not endless."""
    text = raw.decode(errors="replace")
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST]


class Reasons:
    """The last reason heard for each tunnel.

    charon names the tunnel only once it knows it. Until then a responder's messages carry the IKE SA's
    number, and the packet it received tells the addresses, which tell the tunnel.
    """

    def __init__(self) -> None:
        self.last: dict[str, str] = {}
        self._looking_for: dict[str, str] = {}
        self._peers: OrderedDict[str, tuple[str, str]] = OrderedDict()  # number -> local, remote address

    def hear(self, event: Mapping[str, Any], tunnels: Iterable[TunnelPlan]) -> tuple[str, ...]:
        """Take a `log` event in; the names of the tunnels whose attempt it says failed."""
        message = printable(event.get("msg", b""))
        number = printable(event.get("ikesa-uniqueid", b""))
        name = printable(event.get("ikesa-name", b""))
        concerned = [tunnel.name for tunnel in tunnels if tunnel.name == name]
        if not concerned and number:
            if match := _PACKET.search(message):
                self._remember(number, (match[2], match[1]))
                return ()
            concerned = [
                tunnel.name
                for tunnel in tunnels
                if (str(tunnel.local_address), str(tunnel.remote_address)) == self._peers.get(number)
            ]
        if match := _CONFIGURED.search(message):
            for tunnel_name in concerned:
                self.last[tunnel_name] = f"{self.last.get(tunnel_name, '')}; configured here: {match[1]}"
            return tuple(concerned)
        if _IS_CONFIG_CHOSEN.search(message):
            for tunnel_name in concerned:
                self.last.pop(tunnel_name, None)
        if match := _LOOKING_FOR.search(message):
            self._looking_for.update(dict.fromkeys(concerned, match[1]))
            return ()
        if match := _WAITING.search(message):
            self.last.update(dict.fromkeys(concerned, f"no answer from the peer, retransmit {match[1]}"))
            return ()
        reason = reason_in(message)
        if _NONE_FOUND.search(message) and concerned:
            reason = f"no tunnel matches the addresses and identities {self._looking_for.get(concerned[0], '')}"
        if reason is None:
            return ()
        self.last.update(dict.fromkeys(concerned, reason))
        return tuple(concerned)

    def _remember(self, number: str, addresses: tuple[str, str]) -> None:
        self._peers[number] = addresses
        self._peers.move_to_end(number)
        if len(self._peers) > _MOST_REMEMBERED:
            self._peers.popitem(last=False)

"""What ExaBGP writes on its API, one JSON object a line, as values.

ExaBGP's JSON is shaped by the peer and is not trusted: whatever a line holds, `read_line` returns
a value. A line that is not understood becomes `Garbled`, with the peer's address where the part of the
line that ExaBGP itself wrote still says whose it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Any

from bgp.notification import in_words
from bgp.path import AsPath, Attributes


@dataclass(frozen=True, slots=True)
class Connected:
    """The TCP connection is there; OPEN messages follow."""

    peer: IPv4Address


@dataclass(frozen=True, slots=True)
class Established:
    """The session is Established."""

    peer: IPv4Address


@dataclass(frozen=True, slots=True)
class Lost:
    """A connection has ended, established or not. `reason` is in words.

    `notified` says that a NOTIFICATION ended it, sent or received.
    """

    peer: IPv4Address
    reason: str
    notified: bool


@dataclass(frozen=True, slots=True)
class Notified:
    """A NOTIFICATION went over the session: its text, when the peer sent one (RFC 9003)."""

    peer: IPv4Address
    text: str


@dataclass(frozen=True, slots=True)
class Update:
    """An UPDATE, IPv4 unicast only. `foreign` names other address families that were in it."""

    peer: IPv4Address
    withdraw: tuple[IPv4Network, ...]
    announce: tuple[tuple[Attributes, tuple[IPv4Network, ...]], ...]
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndOfRib:
    """The peer has sent all that it had (RFC 4724 section 2)."""

    peer: IPv4Address


@dataclass(frozen=True, slots=True)
class Reread:
    """ExaBGP has read its configuration again; `error` says why it kept the old one."""

    generation: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Garbled:
    """A line that is not understood, and whose it is, if that can be told."""

    peer: IPv4Address | None
    why: str


Message = Connected | Established | Lost | Notified | Update | EndOfRib | Reread | Garbled

# ExaBGP writes the addresses before anything that a peer shaped.
HEAD = 1024
PEER = re.compile(rb'"neighbor": \{ "address": \{ "local": "[0-9.]{7,15}", "peer": "([0-9.]{7,15})"')
ENDED_BY = re.compile(r"notification (sent|received) \((\d{1,3}),(\d{1,3})\)")

# Chosen: a reason is shown in a table and kept for each session.
LONGEST_TEXT = 200


def read_line(line: bytes) -> Message | None:
    """One line as a message; None for what says nothing that is used here (answers, signals)."""
    if not line.startswith(b"{"):
        return None
    try:
        return _message(json.loads(line))
    except (ValueError, TypeError, RecursionError) as error:
        return garbled(line, f"{type(error).__name__}: {error}"[:LONGEST_TEXT])


def garbled(line: bytes, why: str) -> Garbled:
    """A line that was not read; its head is enough."""
    found = PEER.search(line[:HEAD])
    try:
        return Garbled(IPv4Address(found[1].decode()) if found else None, why)
    except AddressValueError:
        return Garbled(None, why)


def _message(line: object) -> Message | None:
    top = _mapping(line)
    kind = top.get("type")
    if kind == "reread":
        error = top.get("error")
        return Reread(_integer(top.get("generation")), None if error is None else printable(error))
    if "neighbor" not in top:
        return None
    neighbor = _mapping(top["neighbor"])
    peer = IPv4Address(_text(_mapping(neighbor.get("address")).get("peer")))
    match kind:
        case "state":
            return _state(peer, neighbor)
        case "notification":
            text = _mapping(neighbor.get("notification")).get("message", "")
            return Notified(peer, printable(text))
        case "update":
            return _update(peer, _mapping(neighbor.get("message")))
    return None


def _state(peer: IPv4Address, neighbor: dict[str, Any]) -> Message | None:
    match neighbor.get("state"):
        case "connected":
            return Connected(peer)
        case "up":
            return Established(peer)
        case "down":
            return _lost(peer, neighbor.get("reason", ""))
    return None


def _lost(peer: IPv4Address, reason: object) -> Lost:
    text = printable(reason)
    if ended := ENDED_BY.match(text):
        code, subcode = int(ended[2]), int(ended[3])
        return Lost(peer, f"NOTIFICATION {ended[1]}: {in_words(code, subcode)}", notified=True)
    if text == "closing connection":
        text = "the TCP connection was refused, reset or closed by the peer"
    return Lost(peer, text or "no reason given", notified=False)


def _update(peer: IPv4Address, message: dict[str, Any]) -> Update | EndOfRib:
    if "eor" in message:
        return EndOfRib(peer)
    update = _mapping(message.get("update"))
    attributes = _mapping(update.get("attribute", {}))
    announced, withdrawn = _mapping(update.get("announce", {})), _mapping(update.get("withdraw", {}))
    as_path = _as_path(attributes.get("as-path", {}))
    med = attributes.get("med")
    return Update(
        peer=peer,
        withdraw=_prefixes(withdrawn.get("ipv4 unicast", [])),
        announce=tuple(
            (
                Attributes(IPv4Address(next_hop), as_path, None if med is None else _integer(med)),
                _prefixes(prefixes),
            )
            for next_hop, prefixes in _mapping(announced.get("ipv4 unicast", {})).items()
        ),
        foreign=tuple(printable(family) for family in {**announced, **withdrawn} if family != "ipv4 unicast"),
    )


def _as_path(segments: object) -> AsPath:
    """ExaBGP numbers the segments: {"0": {"element": "as-sequence", "value": [65010]}}.

    It calls a confederation's segments sequences as well; they have no business on an external session
    and fail the check of the first AS.
    """
    path: list[int | tuple[int, ...]] = []
    for segment in _mapping(segments).values():
        numbers = [_integer(number) for number in _list(_mapping(segment).get("value"))]
        kind: object = _mapping(segment).get("element")
        match kind:
            case "as-sequence":
                path.extend(numbers)
            case "as-set":
                path.append(tuple(sorted(numbers)))
            case _:
                raise ValueError("an AS_PATH segment of unknown kind")
    return tuple(path)


def _prefixes(entries: object) -> tuple[IPv4Network, ...]:
    try:
        return tuple(IPv4Network(_text(_mapping(entry).get("nlri")), strict=False) for entry in _list(entries))
    except NetmaskValueError as error:
        raise ValueError(str(error)) from error


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("an object was expected")  # noqa: TRY004 - a malformed line, not a programming error
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a list was expected")  # noqa: TRY004
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a string was expected")  # noqa: TRY004
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise ValueError("a 32-bit number was expected")
    return value


def printable(value: object) -> str:
    """Text that came from a peer, short and without control characters."""
    return "".join(c if c.isprintable() else "?" for c in _text(value)[:LONGEST_TEXT])

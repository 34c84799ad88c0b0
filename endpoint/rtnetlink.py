"""A minimal netlink conversation: requests in bulk, an answer for each.

pyroute2 takes some milliseconds for each request in a guest without hardware virtualisation and
`ip -batch` fifty for its start; a route that moves during a failover can wait for neither.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Self

# linux/netlink.h
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_CREATE = 0x100, 0x400
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_SOL_NETLINK, _NETLINK_EXT_ACK, _NETLINK_GET_STRICT_CHK = 270, 11, 12

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_ERRNO = struct.Struct("=i")

# Requests that are under way at once: their acknowledgements must fit into the receive buffer.
_WINDOW = 256
_RECEIVE_BYTES = 1 << 20
# The kernel answers at once; an error is better than an agent that hangs.
_ANSWER_WITHIN_S = 10.0


class Netlink:
    """A netlink socket of one family in this process's network namespace. Use it with `with`."""

    def __init__(self, family: int = socket.NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        self._socket.settimeout(_ANSWER_WITHIN_S)
        self._socket.bind((0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def request(self, messages: Sequence[tuple[int, int, bytes]]) -> list[int]:
        """Send messages, each (type, flags, payload); the errno of each, 0 for those that worked."""
        answers: list[int] = []
        for start in range(0, len(messages), _WINDOW):
            answers += self._window(messages[start : start + _WINDOW])
        return answers

    def dump(self, kind: int, payload: bytes) -> Iterator[bytes]:
        """The payloads of the answers to a dump. Raises OSError."""
        self._socket.send(_message(kind, NLM_F_REQUEST | NLM_F_DUMP, 0, payload))
        while True:
            for answer, _, body in _messages(self._socket.recv(_RECEIVE_BYTES)):
                if answer in (_NLMSG_DONE, _NLMSG_ERROR):
                    error = -_ERRNO.unpack_from(body)[0] if len(body) >= _ERRNO.size else 0
                    if error:
                        raise OSError(error, os.strerror(error))
                    return
                yield body

    def _window(self, messages: Sequence[tuple[int, int, bytes]]) -> list[int]:
        self._socket.send(
            b"".join(
                _message(kind, flags | NLM_F_REQUEST | NLM_F_ACK, number, payload)
                for number, (kind, flags, payload) in enumerate(messages)
            )
        )
        answers: dict[int, int] = {}
        while len(answers) < len(messages):
            for kind, number, body in _messages(self._socket.recv(_RECEIVE_BYTES)):
                if kind == _NLMSG_ERROR:
                    answers[number] = -_ERRNO.unpack_from(body)[0]
        return [answers[number] for number in range(len(messages))]


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in `data` by type, without the flag bits; of several of one type the last."""
    found = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def _message(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    header = _HEADER.pack(_HEADER.size + len(payload), kind, flags, number, 0)
    return header + payload + bytes(-len(payload) % 4)  # each message of a datagram begins at a multiple of four


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages in a datagram as type, sequence number, payload."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, number, _ = _HEADER.unpack_from(data, offset)
        yield kind, number, data[offset + _HEADER.size : offset + length]
        offset += (max(length, _HEADER.size) + 3) & ~3

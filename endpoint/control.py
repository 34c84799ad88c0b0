"""The conversation with one charon over its VICI socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vici.exception import DeserializationException
from vici.protocol import FiniteStream, Message, Packet

from endpoint.connections import ViciMessage
from endpoint.patience import Patience

# The socket takes a command at once: charon has answered the one before.
_SEND_WITHIN_S = 10.0
_LONGEST_PACKET = 512 * 1024  # vici's own limit (libcharon/plugins/vici/README.md)
_HEADER = struct.Struct("!I")


class DaemonSilentError(Exception):
    """charon closed the connection, answers nonsense or not at all; the text says which, without a subject."""


class RefusedError(Exception):
    """charon answered a command with an error; the text is charon's."""


class Commands:
    """A VICI connection for commands; it blocks until charon answers, or until a new `patience` with it is over."""

    def __init__(self, path: Path, patience: Callable[[], Patience]) -> None:
        self._patience = patience
        self._socket = _connect(path)
        _register(self._socket, "list-sa", patience())

    def request(self, command: str, message: ViciMessage | None = None) -> Mapping[str, Any]:
        """The answer to a command. Raises RefusedError, DaemonSilentError."""
        answer, _ = self._ask(command, message)
        return answer

    def list_sas(self) -> list[Mapping[str, Any]]:
        """One message per IKE SA, as VICI names its fields; half-open ones are called (unnamed)."""
        _, events = self._ask("list-sas", None)
        return events

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask(self, command: str, message: ViciMessage | None) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        encoded = Message.serialize(message) if message else None
        _send(self._socket, Packet.request(command, encoded))
        events = []
        patience = self._patience()
        while True:
            packet = _parse(_receive(self._socket, patience))
            if packet.kind == Packet.EVENT:
                events.append(_decode(packet))
                continue
            if packet.kind != Packet.CMD_RESPONSE:
                raise DaemonSilentError(f"does not know the command {command}")
            answer = _decode(packet)
            if answer.get("success", b"yes") != b"yes":
                raise RefusedError(f"{command}: {answer.get('errmsg', b'').decode(errors='replace')}")
            return answer, events


class Events:
    """A VICI connection that only listens; it never blocks after it was made.

    Events for whose undecoded bytes `is_noise` holds are thrown away, which costs far less than to read them.
    """

    def __init__(
        self, path: Path, names: tuple[str, ...], is_noise: Callable[[bytes], bool], patience: Callable[[], Patience]
    ) -> None:
        self._is_noise = is_noise
        self._socket = _connect(path)
        for name in names:
            _register(self._socket, name, patience())
        self._socket.setblocking(False)
        self._buffer = bytearray()

    def fileno(self) -> int:
        """Readable when `take` has something."""
        return self._socket.fileno()

    def take(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The events that have come, as name and message. Raises DaemonSilentError at the end of the stream."""
        ended = False
        try:
            while chunk := self._socket.recv(65536):
                self._buffer += chunk
            ended = True
        except BlockingIOError:
            pass
        except OSError:
            ended = True
        while len(self._buffer) >= _HEADER.size:
            end = _HEADER.size + _length(bytes(self._buffer[: _HEADER.size]))
            if len(self._buffer) < end:
                break
            data = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            if self._is_noise(data):
                continue
            packet = _parse(data)
            if packet.kind == Packet.EVENT:
                yield packet.event, _decode(packet)
        if ended:
            raise DaemonSilentError("closed its VICI socket")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_SEND_WITHIN_S)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise DaemonSilentError(f"takes no connection at {path}: {error}") from error
    return connection


def _register(connection: socket.socket, event: str, patience: Patience) -> None:
    _send(connection, Packet.register_event(event))
    while (packet := _parse(_receive(connection, patience))).kind == Packet.EVENT:
        pass  # an event that is registered already may come before the confirmation
    if packet.kind != Packet.EVENT_CONFIRM:
        raise DaemonSilentError(f"does not know the event {event}")


def _send(connection: socket.socket, packet: bytes) -> None:
    connection.settimeout(_SEND_WITHIN_S)
    try:
        connection.sendall(_HEADER.pack(len(packet)) + packet)
    except OSError as error:
        raise DaemonSilentError(f"does not listen: {error}") from error


def _receive(connection: socket.socket, patience: Patience) -> bytes:
    return _receive_exactly(connection, _length(_receive_exactly(connection, _HEADER.size, patience)), patience)


def _receive_exactly(connection: socket.socket, count: int, patience: Patience) -> bytes:
    connection.settimeout(patience.look_s)
    data = bytearray()
    while len(data) < count:
        try:
            chunk = connection.recv(count - len(data))
        except TimeoutError as error:
            if patience.is_over():
                raise DaemonSilentError("does not answer") from error
            continue
        except OSError as error:
            raise DaemonSilentError(f"does not answer: {error}") from error
        if not chunk:
            raise DaemonSilentError("closed its VICI socket")
        data += chunk
    return bytes(data)


def _length(header: bytes) -> int:
    length = int(_HEADER.unpack(header)[0])
    if length > _LONGEST_PACKET:
        raise DaemonSilentError(f"announces a packet of {length} bytes")
    return length


@dataclass(frozen=True, slots=True)
class _Packet:
    kind: int
    event: str
    payload: FiniteStream


def _parse(data: bytes) -> _Packet:
    try:
        packet = Packet.parse(data)
    except struct.error as error:
        raise DaemonSilentError(f"sent a broken packet: {error}") from error
    event = getattr(packet, "event_type", b"").decode(errors="replace")
    return _Packet(packet.response_type, event, packet.payload)


def _decode(packet: _Packet) -> Mapping[str, Any]:
    try:
        message: Mapping[str, Any] = Message.deserialize(packet.payload)
    except (DeserializationException, struct.error, UnicodeDecodeError) as error:
        raise DaemonSilentError(f"sent a broken message: {error}") from error
    return message

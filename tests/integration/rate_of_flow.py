"""One end of a flow whose rate is measured. Runs in a node, standard library alone.

    receive PROTOCOL SECONDS     says "ready" when it listens, then the bit/s of inner packets that came
    send PROTOCOL ADDRESS BPS SECONDS

UDP is sent at BPS and comes with the kernel's time stamps, for the receiver may be late; TCP goes as fast as it can.
The first second does not count: what is let through at once in the beginning is no rate. And it is the median second
that counts, for now and then the whole host stands still.
"""

from __future__ import annotations

import socket
import statistics
import struct
import sys
import time
from collections.abc import Iterator

PORT, SETTLING_S, SILENCE_S, BUFFER = 9500, 1.0, 10.0, 4 << 20
PAYLOAD, UDP_HEADERS = 1372, 28
SEGMENT, TCP_HEADERS = 1386, 52  # with time stamps, in the reference lab's 1438 bytes
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # asm-generic/socket.h; Python has no names for them
TIMESPEC = struct.Struct("@qq")


def main() -> None:
    role, protocol, *rest = sys.argv[1:]
    if role == "receive":
        pieces = datagrams() if protocol == "udp" else stream()
        say(str(rate(pieces, int(rest[0]))))
    else:
        send(protocol, rest[0], float(rest[1]), float(rest[2]))


def rate(pieces: Iterator[tuple[float, float]], seconds: int) -> float:
    """The bit/s of pieces, each with the time at which it came and its bytes, in the median second."""
    first, _ = next(pieces)
    came = [0.0] * seconds
    for at, size in pieces:
        second = int(at - first - SETTLING_S)
        if at >= first + SETTLING_S and second < seconds:
            came[second] += size
        elif second >= seconds:
            break
    return 8 * statistics.median(came)


def datagrams() -> Iterator[tuple[float, float]]:
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    receiver.settimeout(SILENCE_S)
    receiver.bind(("", PORT))
    say("ready")
    while True:
        data, [(_, _, stamp)], _, _ = receiver.recvmsg(1 << 11, socket.CMSG_SPACE(TIMESPEC.size))
        seconds, nanoseconds = TIMESPEC.unpack(stamp)
        yield seconds + nanoseconds / 1e9, len(data) + UDP_HEADERS


def stream() -> Iterator[tuple[float, float]]:
    listener = socket.create_server(("", PORT))
    say("ready")
    receiver, _ = listener.accept()
    receiver.settimeout(SILENCE_S)
    while data := receiver.recv(1 << 16):
        yield time.monotonic(), len(data) * (SEGMENT + TCP_HEADERS) / SEGMENT


def send(protocol: str, address: str, bps: float, seconds: float) -> None:
    began, sent = time.monotonic(), 0
    if protocol == "udp":
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * bps / 8:
                sender.sendto(bytes(PAYLOAD), (address, PORT))
                sent += PAYLOAD + UDP_HEADERS
            time.sleep(0.005)  # the pace: what is due by then goes out together
        return
    with socket.create_connection((address, PORT)) as sender:
        sender.settimeout(SILENCE_S)
        try:
            while time.monotonic() - began < seconds:
                sender.sendall(bytes(1 << 14))
        except OSError:
            return  # the receiver has seen enough


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

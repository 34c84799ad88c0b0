"""One end of numbered UDP flows: sends and receives, then says what came. Runs in a node, standard library alone.

Arguments: own address, the other end's address, number of flows, packets a second over all flows together. Says "ready"
when it listens; begins to send at the line "go", ends at "stop", and receives until all has been silent for a while.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

FIRST_PORT = 9000
SILENCE_S = 3.0
PACKET = struct.Struct("!Q56x")
BUFFER = 8 << 20
BURST = 64
"""Packets sent before the other end's, and the line "stop", get their turn: a late sender has always more to send."""
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


def main() -> None:
    own, peer, flows, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    sockets = [listening(own, FIRST_PORT + number) for number in range(flows)]
    numbers = {one.fileno(): number for number, one in enumerate(sockets)}
    came: list[dict[int, int]] = [{} for _ in sockets]
    sent, began, ended, last = 0, 0.0, 0.0, 0.0
    poll = select.poll()
    for one in (sys.stdin, *sockets):
        poll.register(one, select.POLLIN)
    say("ready")
    while not ended or time.monotonic() < last + SILENCE_S:
        sending = began and not ended
        next_s = began + (sent + 1) / rate - time.monotonic() if sending else SILENCE_S
        for fileno, _ in poll.poll(max(0, next_s * 1000)):
            if fileno == sys.stdin.fileno():
                word = sys.stdin.readline().strip()
                began = time.monotonic() if word == "go" else began
                ended = last = time.monotonic() if word == "stop" else ended
                if word == "":
                    return
                continue
            last = time.monotonic()
            number = numbers[fileno]
            take(sockets[number], came[number])
        due = int((time.monotonic() - began) * rate) - sent if sending and not ended else 0
        for _ in range(min(due, BURST)):
            number = sent % flows
            sockets[number].sendto(PACKET.pack(sent // flows), (peer, FIRST_PORT + number))
            sent += 1
    counts = [sent // flows + (number < sent % flows) for number in range(flows)]
    doubled = sum(times - 1 for flow in came for times in flow.values())
    received = [sorted(flow) for flow in came]
    say(json.dumps({"sent": counts, "seconds": ended - began, "received": received, "doubled": doubled}))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def listening(address: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    one.bind((address, port))
    one.setblocking(False)
    return one


def take(one: socket.socket, came: dict[int, int]) -> None:
    while True:
        try:
            (number,) = PACKET.unpack(one.recv(PACKET.size))
        except BlockingIOError:
            return
        came[number] = came.get(number, 0) + 1


if __name__ == "__main__":
    main()

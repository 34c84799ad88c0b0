"""Counts the routes of one protocol in a node's kernel as they come and go. Runs in the node, standard library alone.

Arguments: the number of the routing protocol (linux/rtnetlink.h) and of the table. Says "ready" when it listens. For
each line of input, a number, it says that number as soon as there are so many routes; the end of the input ends it.
"""

from __future__ import annotations

import select
import socket
import struct
import sys

RTMGRP_IPV4_ROUTE = 0x40
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_DONE = 3
RTA_DST = 1
RTA_TABLE = 15
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it
BUFFER = 256 << 20
HEADER = struct.Struct("=IHHII")
RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags


def main() -> None:
    protocol, table = int(sys.argv[1]), int(sys.argv[2])
    news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    news.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    news.bind((0, RTMGRP_IPV4_ROUTE))
    present: set[bytes] = set()
    news.send(HEADER.pack(HEADER.size + RTMSG.size, RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
              + RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))  # fmt: skip
    while not take(news.recv(1 << 20), present, protocol, table):
        continue
    say("ready")
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    poll.register(news, select.POLLIN)
    wanted = -1
    while True:
        for fileno, _ in poll.poll():
            if fileno == news.fileno():
                take(news.recv(1 << 20), present, protocol, table)
                continue
            line = sys.stdin.readline()
            if not line:
                return
            wanted = int(line)
        if len(present) == wanted:
            say(str(wanted))
            wanted = -1


def take(data: bytes, present: set[bytes], protocol: int, table: int) -> bool:
    """Bring what is present up to date; whether a dump has ended with this."""
    at = 0
    while at < len(data):
        length, kind, *_ = HEADER.unpack_from(data, at)
        if kind == NLMSG_DONE:
            return True
        if kind in (RTM_NEWROUTE, RTM_DELROUTE):
            body = data[at + HEADER.size : at + length]
            _, bits, _, _, low_table, whose, *_ = RTMSG.unpack_from(body)
            found = dict(attributes(body[RTMSG.size :]))
            if whose == protocol and int.from_bytes(found.get(RTA_TABLE, bytes((low_table,))), sys.byteorder) == table:
                prefix = bytes((bits,)) + found.get(RTA_DST, b"")
                (present.add if kind == RTM_NEWROUTE else present.discard)(prefix)
        at += (length + 3) & ~3
    return False


def attributes(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        found.append((kind, data[at + 4 : at + length]))
        at += (length + 3) & ~3
    return found


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""A small resident process for tests of the machine: it runs in the guest in place of the real one.

Ports are served in the order in which they ring, with blocking writes; the calls are what the tests ask for.
"""

import itertools
import json
import os
import random
import select
import time
import uuid

from lab.runtime.ports import open_ports
from lab.runtime.wake import wake


def carry_out(call, args, turn):
    match call:
        case "wake":
            return wake(args["time_ns"], bytes.fromhex(args["entropy"]))
        case "random":
            return [os.urandom(16).hex(), str(uuid.uuid4()), random.random()]  # noqa: S311 - is it reseeded?
        case "time_ns":
            return time.time_ns()
        case "panic":
            return os.write(os.open("/proc/sysrq-trigger", os.O_WRONLY), b"c")
        case "turns":
            return turn


def answers(data, turn):
    for line in data.split(b"\n"):
        message = json.loads(line) if line else {}
        if "hello" in message:
            yield {"hello": message["hello"]}
        elif "call" in message:
            yield {"result": carry_out(message["call"], message.get("args", {}), turn)}


def main():
    epoll = select.epoll()
    for fileno in open_ports():
        epoll.register(fileno, select.EPOLLIN | select.EPOLLET)
    for turn in itertools.count(1):
        for fileno, _ in epoll.poll():
            try:
                data = os.read(fileno, 1 << 16)
            except BlockingIOError:
                continue
            os.set_blocking(fileno, True)
            for answer in answers(data, turn):
                os.write(fileno, json.dumps(answer).encode() + b"\n")
            os.set_blocking(fileno, False)

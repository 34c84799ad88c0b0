"""One node's agent in the foreground, without a lab process: in a container of its own, or on a host.

    python3 -m lab.runtime.alone PLAN [--keys FILE] [--directory DIR]

PLAN is a Bundle in JSON (`vpnlab endpoint plan`, `vpnlab export`), the keys' file a JSON object {tunnel: key} that
others cannot read. Needs neither pydantic nor click, so that it starts quickly where Python starts slowly.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bgp.preload import preload as preload_bgp
from endpoint.crypto import load_kernel_modules
from lab.errors import LabError, UsageError
from lab.locking import try_lock
from lab.loop import Loop
from lab.node.agent import Agent
from lab.node.telling import Seen, event_line, news, seen_by
from lab.plan.bundle import BUNDLE_VERSION, Bundle
from lab.plan.codec import from_json, to_json
from lab.plan.report import NodeReport
from lab.runtime import premises
from lab.runtime.health import DIRECTORIES, SOCKET
from lab.spec.key_files import read_private
from lab.wire.channel import Channel
from lab.wire.messages import Message

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MOST_KEY_BYTES = 1 << 20
"""Bytes of a file of keys: thousands of tunnels (chosen)."""

Say = Callable[[str], None]


def run(bundle: Bundle, keys: Mapping[str, str], directory: Path, say: Say) -> None:
    """Be the node until a signal ends it (SIGTERM, SIGINT, SIGHUP), then leave nothing behind; `say` takes its lines.

    `directory` is the node's own: logs, sockets, the note of how the namespace was found. Raises UsageError when the
    node runs already, or lacks a key, and HostCannot where this host cannot be the node.
    """
    tunnels = bundle.plan.endpoint.tunnels if bundle.plan.endpoint else ()
    missing = [tunnel.name for tunnel in tunnels if tunnel.admin_up and tunnel.name not in keys]
    if missing:
        raise UsageError(f"there is no key for {', '.join(missing)}", mend="name a file that holds it: --keys FILE")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(directory):
        load_kernel_modules()
        premises.take(directory, bundle.plan)
        preload_bgp()
        say(f"{bundle.plan.name} starts: {len(tunnels)} tunnels; its logs are in {directory}")
        _Node(bundle, keys, directory, say).serve()  # an error leaves what a kill leaves: the next run clears it away
        left = premises.leave(directory)
        say("; ".join(("ended, but not all could be removed", *left)) if left else "ended; nothing is left")


class _Node:
    """The agent with its ears: signals, and a socket on which anybody who may open it gets a fresh report."""

    def __init__(self, bundle: Bundle, keys: Mapping[str, str], directory: Path, say: Say) -> None:
        self._bundle = bundle
        self._keys = keys
        self._directory = directory
        self._say = say
        self._loop = Loop(time.monotonic)
        self._agent = Agent(self._loop, directory)
        self._seen: Seen | None = None

    def serve(self) -> None:
        with _signals() as ended, _listener(self._directory / SOCKET) as listener:
            self._loop.watch(ended.fileno(), self._loop.stop)
            self._loop.watch(listener.fileno(), lambda: self._answer(listener))
            order = {"plan": to_json(self._bundle.plan), "keys": dict(self._keys),
                     "offered": to_json(self._bundle)["offered"]}  # fmt: skip
            self._loop.call_at(self._loop.now(), lambda: self._agent.on_message(order))
            self._agent.serve(self._hear)
            self._loop.close()

    def _hear(self, message: Message) -> None:
        if "event" in message:
            self._say(event_line(message["event"]))
        if "report" in message:
            before, self._seen = self._seen, seen_by(self._bundle.plan, from_json(NodeReport, message["report"]))
            for line in news(before, self._seen):
                self._say(line)

    def _answer(self, listener: socket.socket) -> None:
        """Look now, and say what is seen."""
        connection, _ = listener.accept()
        self._agent.on_message({"observe": 0})
        seen = self._seen
        channel = Channel(self._loop, connection, on_message=lambda _: None, on_close=lambda: None)
        lacking = [str(lack) for lack in seen.lacking] if seen else ["its agent has not looked yet"]
        channel.send({"report": to_json(seen.report) if seen else None, "lacking": lacking})


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the node's directory while the block runs. Raises UsageError when another process does."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(lock):
            raise UsageError(
                f"another process is this endpoint already: it holds {directory}",
                mend="end it, or give this one another name",
            )
        yield
    finally:
        os.close(lock)


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that becomes readable when a signal asks for the end; the signals do nothing else meanwhile."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in ENDING}
    woken = signal.set_wakeup_fd(theirs.fileno())
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()


@contextmanager
def _listener(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        yield listener
    path.unlink(missing_ok=True)


def log_line(text: str) -> None:
    """A line on stderr, with the time."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    sys.stderr.write(f"{at}Z {text}\n")
    sys.stderr.flush()


def read_bundle(path: Path) -> Bundle:
    """The bundle in a file. Raises UsageError."""
    try:
        bundle = from_json(Bundle, json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} holds no plan of a node: {error}", mend="`vpnlab endpoint plan` makes one") from error
    if bundle.version != BUNDLE_VERSION:
        raise UsageError(f"{path} has version {bundle.version}, not {BUNDLE_VERSION}", mend="make it anew")
    return bundle


def read_keys(path: Path) -> dict[str, str]:
    """The keys in a file, by tunnel. Raises UsageError, which shows none."""
    try:
        keys = json.loads(read_private(path, MOST_KEY_BYTES))
    except (ValueError, RecursionError):
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise UsageError(f"{path} is no JSON object of keys by tunnel", mend='write {"TUNNEL": "KEY"}')
    return keys


def main() -> int:
    """Read the files and be the node; the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.runtime.alone", description="Be one node, in the foreground.")
    parser.add_argument("plan", type=Path, help="the node's plan, in JSON")
    parser.add_argument(
        "--keys", type=Path, help="pre-shared keys by tunnel, in JSON, in a file that is closed to others"
    )
    parser.add_argument(
        "--directory", type=Path, help=f"logs and sockets; default: a folder of its own in {DIRECTORIES}"
    )
    wanted = parser.parse_args()
    try:
        bundle = read_bundle(wanted.plan)
        keys = read_keys(wanted.keys) if wanted.keys else {}
        run(bundle, keys, wanted.directory or DIRECTORIES / bundle.plan.name, log_line)
    except LabError as error:
        log_line(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

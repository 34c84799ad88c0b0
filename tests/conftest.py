"""Time limits: every test has one, scaled by how slow this host is. And what tests of several rooms share."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from lab.runtime.health import SOCKET
from lab.substrate import pace

UNIT_S = 60.0
INTEGRATION_S = 300.0
"""Seconds on the reference host (chosen: several times what the slowest test of each kind takes)."""

# Whoever starts the tests in the background has them ignore SIGINT, and so would every command that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long one example takes says something about the host alone. Each test as a whole has its limit below.
settings.register_profile("vpnlab", deadline=None)
settings.load_profile("vpnlab")

INTEGRATION = Path(__file__).parent / "integration"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        own = item.get_closest_marker("timeout")
        base_s = (
            float(own.args[0]) if own and own.args else INTEGRATION_S if INTEGRATION in item.path.parents else UNIT_S
        )
        item.add_marker(pytest.mark.timeout(base_s * pace.slowness()), append=False)


@pytest.fixture
def lone_node(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A node that runs alone and answers one caller: `lone_node(line)` gives its folder, called "node" or as said."""
    threads: list[threading.Thread] = []

    def node(line: bytes, name: str = "node") -> Path:
        directory = tmp_path / name
        directory.mkdir()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(directory / SOCKET))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with listener, connection:
                connection.sendall(line)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return directory

    yield node
    for thread in threads:
        thread.join(10)

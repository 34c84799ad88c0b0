"""Being the lab process as a daemon of this host: started by lab.runtime.daemon in an interpreter of its own."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from lab.loop import Loop
from lab.runtime.child import become_child
from lab.runtime.daemon import LOG, PID_FILE, RUN_DIRECTORY
from lab.runtime.nodes import NAMESPACES, Nodes
from lab.runtime.process import LabProcess
from lab.runtime.server import Server
from lab.substrate.process import observe


def main(kind: Nodes = NAMESPACES) -> None:
    """Leave a daemon behind that serves a lab. Arguments: the lab's folder, the descriptor to listen on."""
    directory, listener = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    if os.fork() == 0:
        _be_daemon(listener, directory, kind)


def _be_daemon(listener: socket.socket, directory: Path, kind: Nodes) -> None:
    """Serve in a session of its own until a caller ends the lab; never returns."""
    code = 1
    try:
        os.setsid()
        os.chdir("/")
        become_child({listener.fileno()}, directory / LOG)
        found = observe(os.getpid())
        (directory / PID_FILE).write_text(json.dumps(asdict(found) if found else {}))
        _serve(listener, directory, kind)
        code = 0
    except BaseException:  # noqa: BLE001 - a forked child must not return into its caller's code; the log says why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _serve(listener: socket.socket, directory: Path, kind: Nodes) -> None:
    RUN_DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    loop = Loop(time.monotonic)
    server = Server(loop, LabProcess(loop, RUN_DIRECTORY, kind), directory / LOG)

    def accept() -> None:
        caller, _ = listener.accept()
        server.open_session(caller.fileno(), on_end=lambda: None)
        caller.close()

    loop.watch(listener.fileno(), accept)
    loop.run()


if __name__ == "__main__":
    main()

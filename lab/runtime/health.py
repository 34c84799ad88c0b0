"""Asks a node that runs alone how it is.

    python3 -m lab.runtime.health [DIR]

Exit code 0 when its tunnels and BGP sessions are up and nothing is refused, 1 when something lacks, which is printed.
Few imports: a container's health check runs it every few seconds.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

DIRECTORIES = Path("/run/vpnlab-alone")
"""Where nodes that run alone have their folders. Beside /run/vpnlab, which is for labs."""
SOCKET = "node.sock"
ANSWER_WITHIN_S = 10.0
"""Chosen: an agent that says nothing for so long hangs; it looks in well under one second."""


class NoAnswer(Exception):
    """Nobody there, or nothing that makes sense; the text says what was tried."""


def ask(directory: Path) -> dict[str, Any]:
    """What the node in this folder sees now: `report`, a NodeReport in JSON, and `lacking`, words. Raises NoAnswer."""
    path = directory / SOCKET
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_WITHIN_S)
        try:
            connection.connect(str(path))
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline())
        except (OSError, ValueError) as error:
            raise NoAnswer(f"no answer from {path}: {error}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("lacking"), list):
        raise NoAnswer(f"no sense in the answer from {path}")
    return answer


def only_directory(below: Path = DIRECTORIES) -> Path:
    """The folder of the one node that runs alone here. Raises NoAnswer when there is none, or several."""
    found = sorted(path.parent for path in below.glob(f"*/{SOCKET}"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found)
        raise NoAnswer(f"several endpoints run here, name one: {names}" if found else "no endpoint runs here")
    return found[0]


def main() -> int:
    """Print what is lacking; the exit code."""
    try:
        lacking = ask(Path(sys.argv[1]) if len(sys.argv) > 1 else only_directory())["lacking"]
    except NoAnswer as error:
        lacking = [str(error)]
    sys.stdout.write("".join(f"{text}\n" for text in lacking))
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())

"""A command in a node whose output is wanted here, all of it at its end."""

from __future__ import annotations

import base64

from lab.errors import LabSaysNo, NotConverged
from lab.substrate import pace
from lab.wire.client import Client, error_of

ANSWER_S = 20.0
"""Seconds until the next output of a command that is quick, on the reference host (chosen)."""


def output_of(client: Client, lab: str, node: str, argv: list[str], *, stdin: str = "") -> str:
    """What `argv` says in a node when it is given `stdin`. The session is free afterwards.

    Raises LabSaysNo when it fails, with what it complained of; UsageError when there is no such node; NotConverged.
    """
    client.send({"call": "exec", "args": {"lab": lab, "node": node, "argv": argv}})
    client.send({"input": base64.b64encode(stdin.encode()).decode(), "input_end": True})
    out, err, code = bytearray(), bytearray(), None
    while code is None:
        message = client.receive(ANSWER_S * pace.slowness())
        if message is None:
            raise NotConverged(f"{node}: `{' '.join(argv)}` says nothing for {ANSWER_S * pace.slowness():.0f} s")
        if "error" in message:
            raise error_of(message["error"])
        out += base64.b64decode(message.get("out", ""))
        err += base64.b64decode(message.get("err", ""))
        code = message.get("result", {}).get("exit")
    if code != 0:
        said = err.decode(errors="replace").strip() or f"exit code {code}"
        raise LabSaysNo(f"{node}: `{' '.join(argv)}` failed: {said}")
    return out.decode(errors="replace")

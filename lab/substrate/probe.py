"""What this kernel can do, found by trying it in a scratch network namespace.

Most starts of a lab ask, so without pyroute2, whose import takes longer than all that is tried.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from endpoint.links import Request, add_veth, add_xfrm
from endpoint.rtnetlink import Netlink
from lab.substrate import namespaces


@dataclass(frozen=True, slots=True)
class Finding:
    """An object that was tried: whether it could be made, and if not what the kernel said."""

    name: str
    works: bool
    said: str


def probe_kernel() -> tuple[Finding, ...]:
    """Try everything that a node needs of the kernel. Nothing is left; the caller stays in its namespace.

    The first that fails for want of a right makes the rest fail too: then only that one is given.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            found = [[finding.name, finding.works, finding.said] for finding in _try_all()]
            os.write(writer, json.dumps(found).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return tuple(Finding(*entry) for entry in json.loads(answer or b'[["probe", false, "the probe died"]]'))


def _try_all() -> list[Finding]:
    namespace = _try("network namespace", lambda: namespaces.unshare(namespaces.CLONE_NEWNET))
    if not namespace.works:
        return [namespace]
    return [
        namespace,
        _try("veth pair", lambda: _ask(add_veth("v0"))),
        _try("XFRM interface", lambda: _ask(add_xfrm("x0", if_id=1))),
        _try("ESP", _add_esp_state),
    ]


def _try(name: str, make: Callable[[], object]) -> Finding:
    try:
        make()
    except OSError as error:
        return Finding(name, works=False, said=error.strerror or str(error))
    return Finding(name, works=True, said="works")


def _ask(request: Request) -> None:
    with Netlink() as kernel:
        (error,) = kernel.request([request])
    if error:
        raise OSError(error, os.strerror(error))


def _add_esp_state() -> None:
    """Add an ESP state with the cloud's default algorithms and a key of zeros."""
    argv = ["ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x100",
            "mode", "tunnel", "auth-trunc", "hmac(sha256)", "0x" + "00" * 32, "128",
            "enc", "cbc(aes)", "0x" + "00" * 16]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())

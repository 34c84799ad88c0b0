"""Switches in the guest's kernel that are thrown once, before the machine is frozen into a snapshot.

The kernel keeps rarely used code switched off by patching itself (static keys), and patches again at the first use and
after the last: each ping did, for the time stamps of its packets. Under emulation with two processors one of them now
and then runs a stale translation of what the other has just patched, and the kernel panics ("Oops: int3"). What is
held here stays switched on, so that a running lab patches nothing.
"""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

SOL_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP = 17, 100, 2  # linux/udp.h
SO_TIMESTAMP = 29  # asm-generic/socket.h
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
TABLE = "vpnlab_switches"
BPF_JIT = Path("/proc/sys/net/core/bpf_jit_enable")

INPUT_RULE = """\
qdisc add dev lo ingress
filter add dev lo ingress matchall action pass
"""
"""As the input of a tunnel with a bandwidth has one; in tc's language."""


def hold_switches() -> tuple[socket.socket, ...]:
    """Use once what labs use. The sockets are to be kept open; chains and qdisc stay in the initial namespace."""
    stamped = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stamped.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)  # ping(8), tcpdump(8)
    held = [stamped]
    for family in (socket.AF_INET, socket.AF_INET6):  # charon's sockets for UDP port 4500
        encapsulating = socket.socket(family, socket.SOCK_DGRAM)
        encapsulating.setsockopt(SOL_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
        held.append(encapsulating)
    BPF_JIT.write_text("0")
    subprocess.run(["/usr/sbin/nft", "-f", "-"], input=ruleset(), text=True, check=True)
    subprocess.run(["/usr/sbin/tc", "-batch", "-"], input=INPUT_RULE, text=True, check=True)
    _connect_once()
    return tuple(held)


def _connect_once() -> None:
    """Make one TCP connection, over the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        server.accept()[0].close()


def ruleset() -> str:
    """A table with an empty chain at each hook, in nft's language."""
    chains = (f"  chain {hook} {{ type filter hook {hook} priority filter; policy accept; }}" for hook in HOOKS)
    return "\n".join([f"table inet {TABLE} {{", *chains, "}"]) + "\n"

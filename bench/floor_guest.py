"""The floor, guest's side: the reference topology by the shortest hand-written script.

`ip -batch`, raw VICI, ExaBGP; no plan, no report, no supervision, no second call. It runs in the same guest as the
product, in place of its resident process, from a snapshot of its own taken after the same warm-up, so that the
difference is what the product does, and not how its host boots. The end of the work is the same: both tunnels up, both
sessions established, routes in both kernels, a ping through each tunnel.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from bgp import daemon  # before ExaBGP: it says that there is no file of settings

# isort: split
import vici
from exabgp.configuration.configuration import Configuration
from exabgp.environment import getenv
from exabgp.environment.environment import Env
from exabgp.logger import log
from exabgp.reactor.loop import Reactor

from lab.runtime.ports import open_ports
from lab.runtime.wake import wake
from lab.runtime.warmup import warm_up

RUN = Path("/run/floor")
GATEWAYS = ("bgw1", "hq-gw")
KEY = "floor-key"
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

VETHS = """\
vpc-app inst1 vm1 eth0
bgw1 vpc1 vpc-app bgw1
hq-gw wan1 internet net1
hq-gw wan2 internet net2
hq-gw lan1 hq-host eth0
bgw1 wan1 internet net3
bgw1 wan2 internet net4
"""

FORWARDS = ("net/ipv4/ip_forward=1", "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/default/rp_filter=0")
PROXIES = ("net/ipv4/conf/all/proxy_arp=1", "net/ipv4/conf/default/proxy_arp=1")
HASHES = ("net/ipv4/fib_multipath_hash_policy=1",)
SYSCTLS = {
    "vm1": (),
    "vpc-app": (*FORWARDS, *PROXIES, *HASHES),
    "bgw1": (*FORWARDS, *HASHES),
    "internet": (*FORWARDS, *PROXIES),
    "hq-gw": (*FORWARDS, *PROXIES, *HASHES),
    "hq-host": (),
}

NODES = {
    "vm1": """\
link set lo up
link set eth0 up
addr add 10.0.1.10/24 dev eth0
route add default via 10.0.1.1
""",
    "vpc-app": """\
link set lo up
link set inst1 up
link set bgw1 up
addr add 10.0.1.1/32 dev inst1
addr add 100.64.0.2/30 dev bgw1
route add 10.0.1.10/32 dev inst1
route add default via 100.64.0.1
""",
    "bgw1": """\
link set lo up
link set vpc1 up
link set wan1 up
link set wan2 up
addr add 100.64.0.1/30 dev vpc1
addr add 203.0.113.10/32 dev wan1
addr add 203.0.113.20/32 dev wan2
route add 10.0.1.0/24 via 100.64.0.2
route add default dev wan1 src 203.0.113.10 table 1000
route add default dev wan2 src 203.0.113.20 table 1001
rule add from 203.0.113.10 lookup 1000
rule add from 203.0.113.20 lookup 1001
link add xfrm1 type xfrm if_id 1
link add xfrm2 type xfrm if_id 2
addr add 169.254.10.2/30 dev xfrm1
addr add 169.254.10.6/30 dev xfrm2
link set xfrm1 mtu 1438 up
link set xfrm2 mtu 1438 up
""",
    "internet": """\
link set lo up
link set net1 up
link set net2 up
link set net3 up
link set net4 up
route add 198.51.100.10/32 dev net1
route add 192.0.2.10/32 dev net2
route add 203.0.113.10/32 dev net3
route add 203.0.113.20/32 dev net4
""",
    "hq-gw": """\
link set lo up
link set wan1 up
link set wan2 up
link set lan1 up
addr add 198.51.100.10/32 dev wan1
addr add 192.0.2.10/32 dev wan2
addr add 172.16.1.1/32 dev lan1
route add 172.16.1.10/32 dev lan1
route add default dev wan1 src 198.51.100.10 table 1000
route add default dev wan2 src 192.0.2.10 table 1001
rule add from 198.51.100.10 lookup 1000
rule add from 192.0.2.10 lookup 1001
link add xfrm1 type xfrm if_id 1
link add xfrm2 type xfrm if_id 2
addr add 169.254.10.1/30 dev xfrm1
addr add 169.254.10.5/30 dev xfrm2
link set xfrm1 mtu 1438 up
link set xfrm2 mtu 1438 up
""",
    "hq-host": """\
link set lo up
link set eth0 up
addr add 172.16.1.10/24 dev eth0
route add default via 172.16.1.1
""",
}

TUNNELS = {  # name: if_id, cloud address, customer address
    "hq-1": (1, "203.0.113.10", "198.51.100.10"),
    "hq-2": (2, "203.0.113.20", "192.0.2.10"),
}

STRONGSWAN = """\
charon-systemd {{
    load = random nonce openssl kdf kernel-netlink socket-default vici
    install_routes = no
    install_virtual_ip = no
    plugins {{
        vici {{
            socket = unix://{directory}/vici
        }}
    }}
}}
"""

EXABGP = {
    "bgw1": (65000, 65010, "203.0.113.10", "10.0.1.0/24", "false", (("169.254.10.2", "169.254.10.1"),
                                                                    ("169.254.10.6", "169.254.10.5"))),
    "hq-gw": (65010, 65000, "198.51.100.10", "172.16.1.0/24", "true", (("169.254.10.1", "169.254.10.2"),
                                                                       ("169.254.10.5", "169.254.10.6"))),
}  # fmt: skip
LEARNED = {"bgw1": "172.16.1.0/24", "hq-gw": "10.0.1.0/24"}
INTERFACES = {"169.254.10.1": "xfrm1", "169.254.10.2": "xfrm1", "169.254.10.5": "xfrm2", "169.254.10.6": "xfrm2"}


def main() -> None:
    """Answer on port 0: greet, take the time and fresh randomness, then bring the lab up once."""
    warm_up()
    port = open_ports()[0]
    poll = select.epoll()
    poll.register(port, select.EPOLLIN | select.EPOLLET)
    while True:
        poll.poll()
        try:
            data = os.read(port, 1 << 16)
        except BlockingIOError:
            continue
        os.set_blocking(port, True)
        for line in filter(None, data.split(b"\n")):
            os.write(port, b"\n" + json.dumps(answer(json.loads(line))).encode() + b"\n")
        os.set_blocking(port, False)


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The answer to one message; "go" gives the seconds from then to each phase."""
    if message.get("call") == "go":
        wake(message["args"]["time_ns"], bytes.fromhex(message["args"]["entropy"]))
        return {"result": bring_up()}
    return {"hello": message.get("hello")}


def bring_up() -> dict[str, float]:
    """The whole lab; seconds to each phase."""
    began = time.monotonic()
    reached = {}
    RUN.mkdir()
    batch(None, "".join(f"netns add {node}\n" for node in NODES))
    readiness = {node: start_charon(node) for node in GATEWAYS}
    speakers = {node: fork_exabgp(node) for node in GATEWAYS}
    veths = (line.split() for line in VETHS.splitlines())
    batch(None, "".join(f"link add {a} netns {left} type veth peer {b} netns {right}\n" for left, a, right, b in veths))
    configuring = [start_batch(node, text, SYSCTLS[node]) for node, text in NODES.items()]
    for process in configuring:
        check(process)
    reached["nodes"] = time.monotonic() - began
    os.write(speakers["hq-gw"][0], b"g")  # who listens is there first
    for node in ("hq-gw", "bgw1"):
        load(node, readiness[node])
    initiate()
    reached["tunnels"] = time.monotonic() - began
    os.write(speakers["bgw1"][0], b"g")
    install_what_is_learned({node: lines for node, (_, lines) in speakers.items()})
    reached["routes"] = time.monotonic() - began
    for tunnel in ("xfrm1", "xfrm2"):
        ping(tunnel)
    reached["ping"] = time.monotonic() - began
    return {phase: round(at_s, 3) for phase, at_s in reached.items()}


def enter(node: str) -> None:
    """Move this process into a namespace."""
    with Path("/run/netns", node).open() as namespace:
        if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {node}")


def start_batch(node: str | None, text: str, sysctls: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """Start `ip -batch` in a node, after its sysctls."""

    def become() -> None:
        if node is not None:
            enter(node)
        for name, value in (sysctl.split("=") for sysctl in sysctls):
            Path("/proc/sys", name).write_text(value)

    process = subprocess.Popen(["/usr/sbin/ip", "-batch", "-"], stdin=subprocess.PIPE, preexec_fn=become)  # noqa: PLW1509
    assert process.stdin is not None
    process.stdin.write(text.encode())
    process.stdin.close()
    return process


def check(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that must succeed."""
    if process.wait() != 0:
        raise RuntimeError(f"{process.args!r}: exit code {process.returncode}")


def batch(node: str | None, text: str) -> None:
    """Run `ip -batch` in a node."""
    check(start_batch(node, text))


def start_charon(node: str) -> socket.socket:
    """Start charon in a node; the socket on which it says that it is ready."""
    directory = RUN / node
    directory.mkdir()
    (directory / "strongswan.conf").write_text(STRONGSWAN.format(directory=directory))
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(directory / "notify"))
    subprocess.Popen(
        ["/usr/sbin/charon-systemd"],
        env={"STRONGSWAN_CONF": str(directory / "strongswan.conf"), "NOTIFY_SOCKET": str(directory / "notify")},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=lambda: enter(node),  # noqa: PLW1509
    )  # fmt: skip
    return notify


def session(node: str) -> vici.Session:
    """A VICI session with a node's charon."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(RUN / node / "vici"))
    return vici.Session(connection)


def load(node: str, notify: socket.socket) -> None:
    """Give charon its keys and connections, as soon as it is ready."""
    while b"READY=1" not in notify.recv(4096):
        continue
    charon = session(node)
    for name, (if_id, cloud, customer) in TUNNELS.items():
        here, there = (cloud, customer) if node == "bgw1" else (customer, cloud)
        charon.load_shared({"id": name, "type": "ike", "data": KEY, "owners": [here, there]})
        child = {"esp_proposals": ["aes128-sha256"], "local_ts": ["0.0.0.0/0"], "remote_ts": ["0.0.0.0/0"],
                 "if_id_in": str(if_id), "if_id_out": str(if_id)}  # fmt: skip
        charon.load_conn({name: {
            "version": "2", "local_addrs": [here], "remote_addrs": [there], "proposals": ["aes128-sha256-ecp256"],
            "mobike": "no", "dpd_delay": "1s", "children": {name: child},
            "local": {"auth": "psk", "id": here}, "remote": {"auth": "psk", "id": there},
        }})  # fmt: skip


def initiate() -> None:
    """Have the cloud initiate both tunnels side by side; return when both children are up, at both ends then."""
    running = []
    for name in TUNNELS:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for _ in session("bgw1").initiate({"ike": name, "child": name, "timeout": "20000"}):
                    continue
                code = 0
            finally:
                os._exit(code)
        running.append(pid)
    for pid in running:
        if os.waitpid(pid, 0)[1] != 0:
            raise RuntimeError("a tunnel was not negotiated")


def fork_exabgp(node: str) -> tuple[int, int]:
    """Fork an ExaBGP that is ready to start: the descriptor that starts it, the one on which it says what it hears."""
    local_as, peer_as, router_id, prefix, passive, neighbors = EXABGP[node]
    configuration = RUN / node / "exabgp.conf"
    configuration.write_text("process api {\n run /bin/true;\n encoder json;\n}\n" + "".join(f"""
neighbor {there} {{
    local-address {here};
    local-as {local_as};
    peer-as {peer_as};
    router-id {router_id};
    hold-time 3;
    passive {passive};
    listen 179;
    family {{
        ipv4 unicast;
    }}
    static {{
        route {prefix} next-hop self;
    }}
    api {{
        processes [ api ];
        receive {{
            parsed;
            update;
        }}
    }}
}}
""" for here, there in neighbors))  # fmt: skip
    (go_read, go), (lines, lines_write), (silence, _) = os.pipe(), os.pipe(), os.pipe()
    if os.fork() == 0:
        try:
            enter(node)
            env = getenv()
            settings = {"reactor.speed": "1.0", "daemon.drop": "false", "log.destination": "stderr",
                        "log.level": "CRITICAL", "api.ack": "false", "api.cli": "false",
                        "daemon.user": "root"}  # fmt: skip
            for section, options in Env.definition.items():
                for option, definition in options.items():
                    env[section][option] = definition["read"](settings.get(f"{section}.{option}", definition["value"]))
            log.init(env)
            pipes = daemon.ApiPipes(silence, lines_write)
            setattr(subprocess, "Popen", lambda *_, **__: pipes)  # noqa: B010
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_DFL)
            os.read(go_read, 1)
            Reactor(Configuration([str(configuration)])).run()
        finally:
            os._exit(1)
    return go, lines


def install_what_is_learned(lines: dict[str, int]) -> None:
    """Put each route into the kernel when its UPDATE is seen; return when both gateways have both paths."""
    hops: dict[str, list[str]] = {node: [] for node in lines}
    rest = dict.fromkeys(lines, b"")
    while any(len(found) < len(TUNNELS) for found in hops.values()):
        readable, _, _ = select.select(list(lines.values()), [], [])
        for node, fileno in lines.items():
            if fileno not in readable:
                continue
            *whole, rest[node] = (rest[node] + os.read(fileno, 1 << 16)).split(b"\n")
            for line in whole:
                if b'"announce"' in line:
                    neighbor = json.loads(line)["neighbor"]
                    (via,) = neighbor["message"]["update"]["announce"]["ipv4 unicast"]
                    hops[node].append(f"nexthop via {via} dev {INTERFACES[via]}")
                    batch(node, f"route replace {LEARNED[node]} proto bgp metric 20 {' '.join(hops[node])}\n")


def ping(tunnel: str) -> None:
    """Lead the ping into one tunnel both ways, and ping."""
    for node, destination in (("bgw1", "172.16.1.10"), ("hq-gw", "10.0.1.10")):
        batch(node, f"route replace {destination}/32 dev {tunnel}\n")
    argv = ["/usr/bin/ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", "10", "172.16.1.10"]
    check(subprocess.Popen(argv, stdout=subprocess.DEVNULL, preexec_fn=lambda: enter("vm1")))  # noqa: PLW1509
    for node, destination in (("bgw1", "172.16.1.10"), ("hq-gw", "10.0.1.10")):
        batch(node, f"route del {destination}/32 dev {tunnel}\n")


if __name__ == "__main__":
    main()

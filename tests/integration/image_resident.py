"""A stand-in for the resident process: tries what the lab needs of the guest, one line "TRIED <json>" for each."""

import importlib
import json
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path

DEADLINE_S = 60
COMMANDS = {
    "xfrm interface": "ip link add x1 type xfrm dev lo if_id 42",
    "namespaces": "ip netns add n1 && ip link add v0 type veth peer name v1 netns n1",
    "links": "ip link add br0 type bridge && ip link add d0 type dummy && ip link add vrf1 type vrf table 10",
    "tun": "ip tuntap add t0 mode tun",
    "netem": "tc qdisc add dev v0 root netem delay 10ms loss 1%",
    "tbf": "tc qdisc add dev d0 root tbf rate 1mbit burst 10k latency 10ms",
    "esp aes-gcm": "{esp} spi 1 {mode} aead 'rfc4106(gcm(aes))' 0x{k:.40} 128",
    "esp aes-sha256": "{esp} spi 2 {mode} auth-trunc 'hmac(sha256)' 0x{k:.64} 128 enc 'cbc(aes)' 0x{k:.32}",
    "esp aes-sha1": "{esp} spi 3 {mode} auth-trunc 'hmac(sha1)' 0x{k:.40} 96 enc 'cbc(aes)' 0x{k:.32}",
    "esp 3des-md5": "{esp} spi 4 {mode} auth-trunc 'hmac(md5)' 0x{k:.32} 96 enc 'cbc(des3_ede)' 0x{k:.48}",
    "esp aes-sha512": "{esp} spi 5 {mode} auth-trunc 'hmac(sha512)' 0x{k:.128} 256 enc 'cbc(aes)' 0x{k:.64}",
    "esp chacha20": "{esp} spi 6 {mode} aead 'rfc7539esp(chacha20,poly1305)' 0x{k:.72} 128",
    "nft filter": "nft 'add table inet t; add chain inet t c {{ type filter hook forward priority 0; }}; "
    "add rule inet t c ip protocol esp ct state new limit rate 5/second counter reject'",
    "nft nat": "nft 'add table ip n; add chain ip n p {{ type nat hook postrouting priority 100; }}; "
    'add rule ip n p oifname "v0" masquerade\'',
    "nft netdev": "nft 'add table netdev d; "
    "add chain netdev d i {{ type filter hook ingress device v0 priority 0; }}; add rule netdev d i counter drop'",
    "ping": "ping -c 1 -W 5 127.0.0.1",
    "programs": "tcpdump --version && socat -V && ethtool --version && less --version && ps && busybox true",
}
KEY = "0123456789abcdef" * 16
ESP = "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp"
MODE = "mode tunnel if_id 42"
FROM_SOURCE = {"__main__", "lab", __name__}
"""What imports the others from two files (lab.gathered), with its package; and this."""
GATHERED = ("pyroute2", "endpoint.plan")
"""A module of the base's file and one of the project's."""


def tell(name: str, ok: bool, said: str) -> None:
    sys.stdout.write("TRIED " + json.dumps({"name": name, "ok": ok, "said": said[-300:]}) + "\n")
    sys.stdout.flush()


def wait_for(path: str) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not Path(path).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # Python has no inotify
    return True


def try_imports() -> None:
    for name in ("pyroute2", "vici", "cattrs", "exabgp.application.main", "lab.errors", "endpoint.plan", "bgp.plan"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            tell(f"import {name}", False, str(error))
        else:
            tell(f"import {name}", True, "")
    from_folders = [name for name in GATHERED if type(sys.modules[name].__loader__) is SourceFileLoader]
    tell("modules are imported from two files", not from_folders, " ".join(from_folders))
    names = [module.__name__ for module in sys.modules.values() if was_compiled(module)]
    from_source = [name for name in names if name not in FROM_SOURCE]
    tell("byte code is there", not from_source, " ".join(from_source))


def was_compiled(module: object) -> bool:
    """Whether a module was made from its source: it was not gathered, and has no .pyc of its own."""
    loader, cached = getattr(module, "__loader__", None), getattr(module, "__cached__", None)
    return type(loader) is SourceFileLoader and not Path(str(cached)).exists()


def try_charon() -> None:
    charon = subprocess.Popen(["/usr/sbin/charon-systemd"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    started = wait_for("/var/run/charon.vici")
    tell("charon-systemd", started, "" if started else "no VICI socket")
    charon.terminate()
    charon.wait(DEADLINE_S)


def try_reaping() -> None:
    """An orphan that ends is reaped by process 1, though that is a shell which waits for somebody else."""
    orphan = subprocess.run(
        ["/bin/sh", "-c", "true & echo $!"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    ).stdout.strip()
    deadline = time.monotonic() + DEADLINE_S
    while Path(f"/proc/{orphan}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)  # a pidfd tells of the end, and nothing tells of the reaping
    tell("orphans are reaped", not Path(f"/proc/{orphan}").exists(), orphan)


def main() -> None:
    tell("modules are loaded", wait_for("/run/vpnlab/modules-loaded"), "")
    try_imports()
    for name, command in COMMANDS.items():
        done = subprocess.run(
            ["/bin/sh", "-c", command.format(esp=ESP, mode=MODE, k=KEY)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        tell(name, done.returncode == 0, done.stdout + done.stderr)
    try_charon()
    try_reaping()

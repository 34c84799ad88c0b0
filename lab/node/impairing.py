"""Makes a router lose and delay packets, by difference. Through nft(8) and tc(8)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

from endpoint.errors import EndpointError
from endpoint.nft import load_ruleset
from endpoint.ruleset import replaced
from lab.plan.impairments import Drop, Impairments, Netem, Traffic

TABLE = "inet vpnlab_impairments"

MATCHES: dict[Traffic, tuple[str, ...]] = {
    "all": ("",),
    # RFC 3948: over UDP 4500 the first four bytes are ESP's SPI, or zero before IKE.
    "esp": ("meta l4proto esp", "udp sport 4500 @th,64,32 != 0", "udp dport 4500 @th,64,32 != 0"),
    "udp4500": ("udp sport 4500", "udp dport 4500"),
}


def apply_impairments(wanted: Impairments) -> None:
    """Make this namespace's routers impair what is wanted and nothing else. Raises EndpointError, OSError."""
    load_ruleset(ruleset(wanted.drops))
    delayed = {entry.interface: entry for entry in wanted.netem}
    for interface in sorted(_with_netem() - delayed.keys()):
        _run(["tc", "qdisc", "delete", "dev", interface, "root"], mend="see `tc qdisc` on the node")
    for entry in delayed.values():
        _run(["tc", "qdisc", "replace", "dev", entry.interface, "root", "netem", *netem_words(entry)],
             mend="load the kernel module sch_netem")  # fmt: skip


def ruleset(drops: tuple[Drop, ...]) -> str:
    """The ruleset in nft's language; it replaces the table as a whole, in one transaction."""
    rules = [f"  {rule}" for drop in drops for rule in _rules(drop)]
    chain = ("chain forward {", "  type filter hook forward priority raw; policy accept;", *rules, "}")
    return replaced(TABLE, chain if drops else ())


def netem_words(entry: Netem) -> Iterator[str]:
    """What tc(8) is told of an interface's delay and loss."""
    if entry.delay_ms:
        yield from ("delay", f"{entry.delay_ms:g}ms")
    if entry.loss_percent:
        yield from ("loss", f"{entry.loss_percent:g}%")


def _rules(drop: Drop) -> Iterator[str]:
    for match in MATCHES[drop.traffic]:
        words = (f'iifname "{drop.came_in}"', f'oifname "{drop.goes_out}"', match, "counter drop")
        yield " ".join(word for word in words if word)


def _with_netem() -> frozenset[str]:
    qdiscs = json.loads(_run(["tc", "-json", "qdisc", "show"], mend="install iproute2") or "[]")
    return frozenset(qdisc["dev"] for qdisc in qdiscs if qdisc["kind"] == "netem" and qdisc.get("root"))


def _run(argv: list[str], *, mend: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EndpointError(f"{argv[0]} ended with {done.returncode}: {done.stderr.strip()}", mend=mend)
    return done.stdout

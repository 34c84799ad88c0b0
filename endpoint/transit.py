"""Packets that must not pass: between interfaces of one group nothing is forwarded. Through nft(8)."""

from __future__ import annotations

from collections.abc import Collection

from endpoint.nft import load_ruleset

TABLE = "vpnlab_transit"


def forbid_transit(interfaces: Collection[str]) -> None:
    """Drop what comes in by one of the interfaces and would go out by one of them, one and the same included.

    Interfaces need not exist yet. Replaces what an earlier call forbade. Raises EndpointError.
    """
    load_ruleset(ruleset(interfaces))


def ruleset(interfaces: Collection[str]) -> str:
    """The ruleset in nft's language; it replaces the table as a whole, in one transaction."""
    lines = [f"table inet {TABLE}", f"delete table inet {TABLE}"]
    if interfaces:
        names = ", ".join(f'"{name}"' for name in sorted(interfaces))
        lines += [
            f"table inet {TABLE} {{",
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
            f"    iifname {{ {names} }} oifname {{ {names} }} counter drop",
            "  }",
            "}",
        ]
    return "\n".join(lines) + "\n"

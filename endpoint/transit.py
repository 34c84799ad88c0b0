"""Packets that must not pass: between interfaces of one group nothing is forwarded. Pure."""

from __future__ import annotations

from collections.abc import Collection

from endpoint.ruleset import replaced

TABLE = "inet vpnlab_transit"


def ruleset(interfaces: Collection[str]) -> str:
    """Drop what comes in by one of the interfaces and would go out by one of them, one and the same included.

    Interfaces need not exist yet. In nft's language; replaces the table as a whole, in one transaction.
    """
    names = ", ".join(f'"{name}"' for name in sorted(interfaces))
    lines = (
        "chain forward {",
        "  type filter hook forward priority filter; policy accept;",
        f"  iifname {{ {names} }} oifname {{ {names} }} counter drop",
        "}",
    )
    return replaced(TABLE, lines if interfaces else ())

"""How the nftables tables of a node are written. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def replaced(table: str, lines: Iterable[str]) -> str:
    """In nft's language: a table ("ip vpnlab_mss") has these lines and no others; without lines it is not there."""
    body = "".join(f"  {line}\n" for line in lines)
    return f"table {table}\ndelete table {table}\n" + (f"table {table} {{\n{body}}}\n" if body else "")

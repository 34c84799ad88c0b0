"""TCP's maximum segment size on a gateway, clamped to what the way through its tunnels carries. Pure."""

from __future__ import annotations

from endpoint.ruleset import replaced

TABLE = "ip vpnlab_mss"

# "rt mtu" is the MTU of the packet's way or of the answer's, whichever is smaller, less 40 bytes of headers; it never
# raises an MSS. So both directions of a connection are clamped, and one that passes no tunnel keeps its own.
CLAMP = (
    "chain forward {",
    "  type filter hook forward priority mangle; policy accept;",
    "  tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu",
    "}",
)


def ruleset(*, clamps: bool) -> str:
    """Clamp the MSS of all TCP connections that this namespace forwards, or of none. In nft's language."""
    return replaced(TABLE, CLAMP if clamps else ())

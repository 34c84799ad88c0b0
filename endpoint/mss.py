"""TCP's maximum segment size on a gateway, clamped to what the way through its tunnels carries. Through nft(8)."""

from __future__ import annotations

from endpoint.nft import load_ruleset

TABLE = "vpnlab_mss"

# "rt mtu" is the MTU of the packet's way or of the answer's, whichever is smaller, less 40 bytes of headers; it never
# raises an MSS. So both directions of a connection are clamped, and one that passes no tunnel keeps its own.
NOTHING = f"""\
table ip {TABLE}
delete table ip {TABLE}
"""
RULESET = f"""\
{NOTHING}table ip {TABLE} {{
  chain forward {{
    type filter hook forward priority mangle; policy accept;
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }}
}}
"""


def clamp_mss() -> None:
    """Clamp the MSS of all TCP connections that this namespace forwards. Raises EndpointError."""
    load_ruleset(RULESET)


def leave_mss() -> None:
    """Clamp no more. Raises EndpointError."""
    load_ruleset(NOTHING)

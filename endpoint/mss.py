"""TCP's maximum segment size on a gateway, clamped to what the way through its tunnels carries. Through nft(8)."""

from __future__ import annotations

import subprocess

from endpoint.errors import EndpointError

TABLE = "vpnlab_mss"

# "rt mtu" is the MTU of the packet's way or of the answer's, whichever is smaller, less 40 bytes of headers; it never
# raises an MSS. So both directions of a connection are clamped, and one that passes no tunnel keeps its own.
RULESET = f"""\
table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain forward {{
    type filter hook forward priority mangle; policy accept;
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }}
}}
"""


def clamp_mss() -> None:
    """Clamp the MSS of all TCP connections that this namespace forwards. Raises EndpointError."""
    done = subprocess.run(["nft", "-f", "-"], input=RULESET, capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode != 0:
        raise EndpointError(
            f"nft ended with {done.returncode}: {done.stderr.strip()}", mend="load the kernel module nf_tables"
        )

"""The rate of what comes out of tunnels: what is beyond it is dropped. Pure.

What enters a tunnel can wait (`endpoint.shaping`); what has come out of it has used the line already, so here a
gateway only drops, and the sender slows down.
"""

from __future__ import annotations

from collections.abc import Mapping

from endpoint.bandwidth import burst_bytes
from endpoint.ruleset import replaced

TABLE = "ip vpnlab_policing"


def ruleset(limits: Mapping[str, int]) -> str:
    """Forward at most so many bit/s of what comes in by each interface. In nft's language.

    Only forwarded packets count: the tunnel's own BGP session is not the customer's traffic.
    """
    rules = [
        f'  iifname "{interface}" limit rate over {bps // 8} bytes/second burst {burst_bytes(bps)} bytes counter drop'
        for interface, bps in limits.items()
    ]
    chain = ("chain forward {", "  type filter hook forward priority filter; policy accept;", *rules, "}")
    return replaced(TABLE, chain if rules else ())

"""What a node's nftables are to do, from its plan. Pure."""

from __future__ import annotations

from endpoint.filters import Filters
from endpoint.metering import Pair
from lab.plan.model import NodePlan


def filters_of(plan: NodePlan) -> Filters:
    """A border gateway keeps VPN connections apart and meters their tunnels.

    A gateway with tunnels clamps what it forwards. A router at a customer's site translates addresses.
    """
    tunnels = plan.endpoint.tunnels if plan.endpoint else ()
    return Filters(
        isolated=frozenset(port.interface for port in plan.tables.tunnels) if plan.tables else frozenset(),
        clamps_mss=bool(tunnels),
        nat=plan.nat,
        metered={tunnel.name: Pair(tunnel.local_address, tunnel.remote_address) for tunnel in tunnels if plan.tables},
    )

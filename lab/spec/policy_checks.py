"""What must hold of the traffic selectors of a VPN connection in policy mode.

A tunnel has one child SA, whose selectors are all of the connection's: any of its local subnets to any of its remote
ones. A file that says less than that is refused, for the lab would let more through than it asks for.
"""

from __future__ import annotations

from lab.spec.model import LabSpec, VpnConnection
from lab.spec.rule_parts import Findings
from lab.spec.wording import Finding, Path

SELECTORS = "traffic_selectors"


def policy_mode_has_no_bgp(spec: LabSpec) -> Findings:
    """The inner addresses, between which BGP runs, are in no selector: a tunnel would be up and its session not."""
    for name, connection in spec.cloud.vpn_connections.items():
        if connection.traffic_selectors is not None and connection.bgp:
            path: Path = ("cloud", "vpn_connections", name, SELECTORS)
            what = "BGP is on, and its session would not fit the selectors"
            why = "it runs between the inner addresses of a tunnel, which are in none of them"
            yield Finding(path, what, why, "write bgp: false and static routes, or remove traffic_selectors")


def selectors_are_one_child_sa(spec: LabSpec) -> Findings:
    """Ours: every local subnet goes with the same remote subnets, no subnet stands twice."""
    for name, connection in spec.cloud.vpn_connections.items():
        selectors = connection.traffic_selectors
        if selectors is None:
            continue
        path: Path = ("cloud", "vpn_connections", name, SELECTORS)
        if not selectors:
            why = "policy mode lets through what a selector names"
            yield Finding(path, "it names no selector", why, "remove it for a route-based connection")
        locals_seen = set()
        for index, selector in enumerate(selectors):
            if set(selector.remote_subnets) != set(selectors[0].remote_subnets):
                what = f"its remote subnets are not those of {SELECTORS}[0]"
                why = "a tunnel of the lab has one child SA, in which each local subnet reaches each remote one"
                mend = "give all selectors the same remote_subnets, or make a VPN connection of each"
                yield Finding((*path, index, "remote_subnets"), what, why, mend)
            if len(set(selector.remote_subnets)) < max(1, len(selector.remote_subnets)):
                what = "a remote subnet stands twice" if selector.remote_subnets else "no remote subnet is named"
                yield Finding((*path, index, "remote_subnets"), what, "a selector has both ends", "name each once")
            if selector.local_subnet in locals_seen:
                what = f"{selector.local_subnet} is the local subnet of another selector too"
                yield Finding((*path, index, "local_subnet"), what, "each selector has its own", "join the two")
            locals_seen.add(selector.local_subnet)


def ikev1_has_one_selector(spec: LabSpec) -> Findings:
    """RFC 2409 section 5.5: a quick mode settles one pair of client identities."""
    for name, connection in spec.cloud.vpn_connections.items():
        many = [one for one in connection.traffic_selectors or () if len(one.remote_subnets) > 1]
        if not many and len(connection.traffic_selectors or ()) < 2:
            continue
        for index in _ikev1_tunnels(connection):
            path: Path = ("cloud", "vpn_connections", name, "tunnels", index, "ike_version")
            why = "a quick mode of IKEv1 settles one local and one remote subnet"
            yield Finding(path, "v1 cannot carry several selectors", why, "use v2, or one local and one remote subnet")


def _ikev1_tunnels(connection: VpnConnection) -> list[int]:
    return [index for index, tunnel in enumerate(connection.tunnels or ()) if tunnel.ike_version == "v1"]

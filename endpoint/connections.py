"""A tunnel's plan in VICI's words: what load-conn and load-shared are told."""

from __future__ import annotations

from typing import TypeAlias

from endpoint.plan import TunnelPlan

ViciValue: TypeAlias = "str | bytes | list[str] | dict[str, ViciValue]"
ViciMessage: TypeAlias = "dict[str, ViciValue]"

# Rekeying starts this share of a lifetime before its end. strongSwan's own default is a tenth, too.
MARGIN = 0.1

# How many lifetimes the end that responds keeps an IKEv1 SA that nobody replaces (chosen: well past the end at which
# the initiator replaces it and deletes it).
IKEV1_RESPONDER_PATIENCE = 2


def connection(tunnel: TunnelPlan) -> ViciMessage:
    """What load-conn is told; one IKE connection and one child, both with the tunnel's name.

    A dead peer is found `dpd_delay_s` after the last sign of life plus the whole
    retransmission schedule of the daemon: in IKEv2 DPD is an ordinary request, and
    `dpd_timeout` is for IKEv1 alone (strongSwan, swanctl.conf(5)).
    Only the end that initiates restarts a tunnel whose peer died; were both to do it, their
    negotiations would collide and leave duplicates.
    """
    return {
        tunnel.name: {
            "version": str(tunnel.ike_version),
            "aggressive": _yes(on=tunnel.aggressive),
            "local_addrs": [str(tunnel.local_address)],
            "remote_addrs": [str(tunnel.remote_address)],
            "proposals": list(tunnel.ike_proposals),
            # "no" replaces an SA only when the peer says that it has no other one (INITIAL_CONTACT);
            # the default would let two tunnels with one identity replace each other.
            "unique": "no",
            "mobike": "no",
            "keyingtries": "0",
            "dpd_delay": f"{tunnel.dpd_delay_s}s",
            "dpd_timeout": f"{tunnel.dpd_retries * tunnel.dpd_delay_s}s",
            "local": {"auth": "psk", "id": tunnel.local_id},
            "remote": {"auth": "psk", "id": tunnel.remote_id},
            **_ike_lifetime(tunnel),
            "children": {tunnel.name: _child(tunnel)},
        }
    }


def shared_key(tunnel: TunnelPlan, key: str) -> ViciMessage:
    """What load-shared is told. The key belongs to this tunnel's two identities alone."""
    return {"id": tunnel.name, "type": "ike", "data": key.encode(), "owners": [tunnel.local_id, tunnel.remote_id]}


def _child(tunnel: TunnelPlan) -> ViciMessage:
    child: ViciMessage = {
        "mode": "tunnel",
        "esp_proposals": list(tunnel.esp_proposals),
        "local_ts": [str(network) for network in tunnel.local_ts],
        "remote_ts": [str(network) for network in tunnel.remote_ts],
        # The endpoint initiates and initiates again by itself, from what it sees.
        "start_action": "none",
        "close_action": "none",
        "dpd_action": "restart" if tunnel.initiate else "clear",
        **_limit(tunnel, "time", tunnel.child_lifetime_s),
        **_limit(tunnel, "packets", tunnel.child_lifetime_packets),
        **_limit(tunnel, "bytes", tunnel.child_lifetime_bytes),
    }
    if tunnel.if_id:
        child["if_id_in"] = child["if_id_out"] = str(tunnel.if_id)
    return child


def _ike_lifetime(tunnel: TunnelPlan) -> ViciMessage:
    """rekey_time + over_time is the hard end: the planned lifetime.

    IKEv1 has no rekeying: a new IKE SA is negotiated from the start and takes over the children. When both ends do
    that at a time, each gives the children to its own, and the end of the other one ends them. So there the end that
    initiates does it, and the other end only long after, should the first have failed.
    """
    lifetime_s = tunnel.ike_lifetime_s * (IKEV1_RESPONDER_PATIENCE if _leaves_rekeying_to_the_peer(tunnel) else 1)
    margin = _margin(lifetime_s)
    return {
        "rekey_time": f"{lifetime_s - margin}s",
        "over_time": f"{margin}s",
        "rand_time": f"{margin}s",
        "reauth_time": "0s",
    }


def _limit(tunnel: TunnelPlan, unit: str, most: int) -> ViciMessage:
    """A lifetime of the child. IKEv1 does not settle what becomes of two rekeyings at a time, so one end does them."""
    margin = _margin(most)
    rekey = 0 if _leaves_rekeying_to_the_peer(tunnel) else most - margin
    return {f"life_{unit}": str(most), f"rekey_{unit}": str(rekey), f"rand_{unit}": str(margin if rekey else 0)}


def _leaves_rekeying_to_the_peer(tunnel: TunnelPlan) -> bool:
    return tunnel.ike_version == 1 and not tunnel.initiate


def _margin(whole: int) -> int:
    return max(1, round(whole * MARGIN)) if whole else 0


def _yes(*, on: bool) -> str:
    return "yes" if on else "no"

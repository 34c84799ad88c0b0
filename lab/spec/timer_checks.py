"""What must hold between the timers of a tunnel, and between those of a gateway's tunnels."""

from __future__ import annotations

from lab.spec.model import LabSpec, Tunnel
from lab.spec.rule_parts import Findings
from lab.spec.walks import tunnels
from lab.spec.wording import Finding, Path, dotted

KEEPALIVES_IN_A_HOLD_TIME = 3  # RFC 4271, section 4.4: a third of the hold time is a reasonable maximum


def dpd_settings_need_dpd(spec: LabSpec) -> Findings:
    """Where dead peer detection is off there is nothing to set."""
    for path, _, tunnel in tunnels(spec):
        yield from dpd_setting_needs_dpd(path, tunnel)


def dpd_setting_needs_dpd(path: Path, tunnel: Tunnel) -> Findings:
    """The rule for one tunnel."""
    for key, value in (("dpd_delay_sec", tunnel.dpd_delay_sec), ("dpd_retries", tunnel.dpd_retries)):
        if value is not None and not tunnel.ike_dpd_sec:
            why = "ike_dpd_sec: 0 switches dead peer detection off"
            yield Finding((*path, key), f"{key} is set where DPD is off", why, f"remove {key} or ike_dpd_sec")


def keepalives_keep_the_hold_time(spec: LabSpec) -> Findings:
    """A keepalive interval comes with its hold time and fits into it three times; both need a session."""
    for path, _, tunnel in tunnels(spec):
        yield from keepalive_keeps_the_hold_time(path, tunnel, bgp=spec.cloud.vpn_connections[str(path[2])].bgp)


def keepalive_keeps_the_hold_time(path: Path, tunnel: Tunnel, *, bgp: bool) -> Findings:
    """The rule for one tunnel."""
    hold, keepalive = tunnel.bgp_hold_sec, tunnel.bgp_keepalive_sec
    for key, value in (("bgp_hold_sec", hold), ("bgp_keepalive_sec", keepalive)):
        if value is not None and not bgp:
            why = "with bgp: false no session runs in the tunnels"
            yield Finding((*path, key), f"{key} is set where BGP is off", why, f"remove {key}")
    if keepalive is not None and hold is None:
        why = "a keepalive interval means something beside its hold time only"
        yield Finding((*path, "bgp_keepalive_sec"), "there is no bgp_hold_sec beside it", why, "write bgp_hold_sec")
    elif keepalive is not None and hold is not None and KEEPALIVES_IN_A_HOLD_TIME * keepalive > hold:
        why = "a session has to outlive a keepalive that is lost or late (RFC 4271, section 4.4)"
        mend = f"write {hold // KEEPALIVES_IN_A_HOLD_TIME} or less, or a longer hold time"
        what = f"{keepalive} is more than a third of the hold time of {hold} s"
        yield Finding((*path, "bgp_keepalive_sec"), what, why, mend)


def gateways_have_one_schedule_of_retries(spec: LabSpec) -> Findings:
    """Ours: strongSwan repeats IKEv2 requests by one schedule for all tunnels of a gateway.

    With IKEv1 DPD has a deadline of its own, so its tunnels are free.
    """
    first: dict[tuple[str, str], tuple[Path, int | None]] = {}
    for name, connection in spec.cloud.vpn_connections.items():
        of_connection: list[tuple[Path, int | None]] = [
            (("cloud", "vpn_connections", name, "tunnels", index), tunnel.dpd_retries)
            for index, tunnel in enumerate(connection.tunnels or ())
            if tunnel.ike_version == "v2"
        ]
        if connection.tunnels is None:
            of_connection = [(("cloud", "vpn_connections", name), None)]
        for kind, gateway in (("border", connection.border_gateway), ("customer", connection.customer_gateway)):
            for path, retries in of_connection:
                other, known = first.setdefault((kind, gateway), (path, retries))
                if retries != known:
                    what = f"dpd_retries differs from that of {dotted(other)}"
                    why = f"the IKE daemon of {kind} gateway {gateway} has one schedule for all its IKEv2 tunnels"
                    yield Finding(path, what, why, "write the same dpd_retries for all of them, or for none")

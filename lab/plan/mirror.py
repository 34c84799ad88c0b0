"""What the other end of a VPN has to be set to, parameter by parameter, with the traps at each. Pure.

The traps are those on which real set-ups fail (docs/endpoint.md says how each shows itself).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from endpoint.plan import ANY_IPV4
from lab.cloud.keys import PSK_LENGTH
from lab.plan.endpoint import Ends, both_ends
from lab.plan.mtu import LARGEST_INNER_MTU
from lab.spec.endpoint_model import AUTO, EndpointSpec, EndpointTunnel

GROUP_NUMBERS = {"modp1024": 2, "modp1536": 5, "modp2048": 14, "ecp256": 19, "ecp384": 20}
"""What devices call the Diffie-Hellman groups (IANA, IKEv2 transform type 4)."""
IPV4_AND_TCP = 40  # RFC 791 and RFC 9293, no options
AWS_RESERVED = (
    *(IPv4Network(f"169.254.{third}.0/30") for third in range(6)),
    IPv4Network("169.254.169.252/30"),
)
"""Inner networks that AWS keeps for itself (its Site-to-Site VPN user guide, "inside tunnel IPv4 CIDR")."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter of a tunnel: what it is here, what it has to be at the other end, and what to beware of."""

    parameter: str
    here: str
    there: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """Everything that the two ends of a tunnel have to agree on."""

    tunnel: str
    settings: tuple[Setting, ...]


def mirror(spec: EndpointSpec) -> tuple[TunnelSettings, ...]:
    """What the other end has to be set to, tunnel by tunnel. No key is in it."""
    pairs = zip(spec.tunnels, both_ends(spec, {}), strict=True)
    return tuple(
        TunnelSettings(
            ends.here.tunnel.name,
            (*_addresses(spec, tunnel, ends), *_ike(tunnel, ends), *_esp(tunnel, ends), *_inside(tunnel, ends),
             *_bgp(spec, ends)),
        )
        for tunnel, ends in pairs
    )  # fmt: skip


def _addresses(spec: EndpointSpec, tunnel: EndpointTunnel, ends: Ends) -> Iterator[Setting]:
    here, there = ends.here.tunnel, ends.there.tunnel
    nat = None
    if tunnel.own_address is not None:
        where = "an address of this host" if tunnel.own_address == AUTO else str(tunnel.own_address)
        nat = f"a NAT leads UDP 500 and 4500 of it to {where}; the other end knows the public address alone"
    yield Setting("public address", str(here.local_address), str(there.local_address), nat)
    yield Setting("peer address", str(here.remote_address), str(there.remote_address))
    yield Setting(
        "own identity", here.local_id, there.local_id,
        "a device behind a NAT often sends its private address: AUTHENTICATION_FAILED at both ends",
    )  # fmt: skip
    yield Setting("peer identity", here.remote_id, there.remote_id)
    source = f"psk_file {tunnel.psk_file}" if tunnel.psk_file is not None else f"psk_secret {tunnel.psk_secret}"
    trap = "beware of blanks around it"
    if spec.side == "idc":
        trap = f"the emulated cloud takes 1-{PSK_LENGTH} of A-Z a-z 0-9 _ -; {trap}"
    yield Setting("pre-shared key", source, "the same key", trap)


def _ike(tunnel: EndpointTunnel, ends: Ends) -> Iterator[Setting]:
    for parameter, value, note in (
        ("IKE version", tunnel.ike_version, "different ones end in NO_PROPOSAL_CHOSEN"),
        ("IKE mode", tunnel.ike_mode if tunnel.ike_version == "v1" else "- (IKEv2 has none)", None),
        ("IKE encryption", tunnel.ike_cipher, None),
        ("IKE integrity and PRF", tunnel.ike_auth, None),
        ("IKE DH group", _group(tunnel.ike_key_exchange), None),
    ):
        yield Setting(parameter, value, value, note)
    lifetime = f"{tunnel.ike_sa_life_sec} s"
    yield Setting("IKE SA lifetime", lifetime, lifetime, "may differ with IKEv2: each end keeps its own")
    here, there = ends.here.tunnel, ends.there.tunnel
    delay = f"{here.dpd_delay_s} s" if here.dpd_delay_s else "off"
    yield Setting("dead peer detection", delay, delay, "each end keeps its own; it has to beat the BGP hold time")
    yield Setting("who initiates", _initiator(here.initiate), _initiator(there.initiate),
                  "the emulated cloud does; where both wait nothing ever starts")  # fmt: skip


def _esp(tunnel: EndpointTunnel, ends: Ends) -> Iterator[Setting]:
    sha2 = None
    if tunnel.ipsec_auth == "sha256":
        sha2 = "128 bits of it (RFC 4868): a device with a 'sha2 compatible' switch that sends 96 is up and mute"
    for parameter, value, note in (
        ("ESP mode", "tunnel", None),
        ("ESP encryption", tunnel.ipsec_cipher, None),
        ("ESP integrity", tunnel.ipsec_auth, sha2),
        ("PFS group", _group(tunnel.ipsec_key_exchange), _pfs_trap(tunnel)),
    ):
        yield Setting(parameter, value, value, note)
    lifetime = f"{tunnel.ipsec_sa_life_sec} s"
    yield Setting("child SA lifetime", lifetime, lifetime, "may differ with IKEv2: each end keeps its own")
    for unit, most in (("packets", tunnel.ipsec_sa_life_pkt), ("bytes", tunnel.ipsec_sa_life_byte)):
        value = str(most) if most else "off"
        yield Setting(f"child SA {unit}", value, value)
    here, there = ends.here.tunnel, ends.there.tunnel
    for parameter, mine, theirs in (
        ("own traffic selector", here.local_ts, there.local_ts),
        ("peer traffic selector", here.remote_ts, there.remote_ts),
    ):
        trap = "a policy-based device that names its networks here fails in phase 2, or keeps BGP out"
        yield Setting(parameter, _ranges(mine), _ranges(theirs), trap if mine == (ANY_IPV4,) else None)


def _inside(tunnel: EndpointTunnel, ends: Ends) -> Iterator[Setting]:
    here, there = ends.here.tunnel, ends.there.tunnel
    reserved = "AWS keeps this network for itself" if tunnel.inner in AWS_RESERVED else None
    yield Setting("inner address", str(here.inner), str(there.inner), reserved)
    yield Setting("peer's inner address", str(here.peer_inner), str(there.peer_inner))
    mtu = str(here.inner_mtu)
    yield Setting(
        "inner MTU", mtu, f"{mtu} or less", f"{LARGEST_INNER_MTU} is announced as the limit and may be too big"
    )
    mss = str(here.inner_mtu - IPV4_AND_TCP)
    yield Setting("TCP MSS", mss, f"{mss} or less", "ping works and large transfers hang where nobody clamps it")


def _bgp(spec: EndpointSpec, ends: Ends) -> Iterator[Setting]:
    here, there = ends.here.session, ends.there.session
    if here is None or there is None:
        routed = _ranges(spec.routes)
        yield Setting("static routes", f"{routed} over the tunnel", "this end's networks over the tunnel")
        return
    yield Setting(
        "own ASN", str(there.peer_as), str(here.peer_as), "a wrong one ends the session with 2/2, Bad Peer AS"
    )
    yield Setting("peer ASN", str(here.peer_as), str(there.peer_as))
    yield Setting("BGP neighbor", str(here.peer_address), str(there.peer_address), "on the inner addresses, one hop")
    hold = f"{here.hold_time_s} s"
    yield Setting("hold time", hold, f"{hold} (the lower one counts)")
    yield Setting("who connects", _connector(passive=here.passive), _connector(passive=there.passive),
                  "where both wait no session ever starts")  # fmt: skip
    yield Setting("MD5 password", "none", "none", "a password at one end alone shows as silence")
    yield Setting("announces", _ranges(here.announce), "its own networks", _quota(spec))


def _quota(spec: EndpointSpec) -> str:
    """How much is taken: the emulated cloud keeps its quota, a real one has its own."""
    return "at most 300 are taken" if spec.side == "cloud" else "a cloud takes some 100 to 300, then ends the session"


def _pfs_trap(tunnel: EndpointTunnel) -> str:
    trap = "works until the first rekey, then no child SA is left"
    if tunnel.ipsec_key_exchange is None:
        return f"the cloud's default; published device examples set a group: that {trap}"
    return f"the cloud's default is none: a difference {trap}"


def _group(name: str | None) -> str:
    return "none (no PFS)" if name is None else f"{name} (group {GROUP_NUMBERS[name]})"


def _initiator(initiate: bool) -> str:
    return "initiates" if initiate else "responds"


def _connector(*, passive: bool) -> str:
    return "waits on TCP 179" if passive else "connects to TCP 179"


def _ranges(networks: tuple[IPv4Network, ...]) -> str:
    return " ".join(map(str, networks)) or "nothing"

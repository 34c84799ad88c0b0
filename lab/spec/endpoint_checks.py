"""What must hold between the values of an EndpointSpec: one function per rule, each yields what breaks it.

Where this end plays the cloud, the cloud's limits hold; where it is a customer's end, the cloud may be another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

from lab.spec.endpoint_model import EndpointSpec, EndpointTunnel
from lab.spec.fields import INNER_RANGES
from lab.spec.rule_parts import Findings, Placed, overlaps
from lab.spec.timer_checks import dpd_setting_needs_dpd, keepalive_keeps_the_hold_time
from lab.spec.wording import Finding, Path, dotted

CLOUD_ASNS = range(64_512, 65_535)
CUSTOMER_ASNS = range(65_001, 65_500)
MOST_TUNNELS = 8
"""The cloud's: two addresses of a VPN connection with four of a customer gateway."""


def broken_rules(spec: EndpointSpec) -> Findings:
    """All that is wrong with the spec, rule by rule."""
    for rule in RULES:
        yield from rule(spec)


def there_are_tunnels(spec: EndpointSpec) -> Findings:
    """An endpoint has tunnels, no more than one VPN connection of the cloud."""
    if not 1 <= len(spec.tunnels) <= MOST_TUNNELS:
        what = f"{len(spec.tunnels)} tunnels are given"
        yield Finding(("tunnels",), what, f"an endpoint has 1 to {MOST_TUNNELS} tunnels", "write as many")


def bgp_has_two_asns(spec: EndpointSpec) -> Findings:
    """eBGP is between different ASNs; an emulated cloud takes those that the real one takes."""
    if not spec.bgp:
        return
    if spec.customer_asn is None:
        why = "with BGP each end has to know the other's ASN"
        yield Finding((), "the key 'customer_asn' is missing", why, "add customer_asn, or write bgp: false")
        return
    if spec.customer_asn == spec.cloud_asn:
        why = "eBGP is between different ASNs"
        yield Finding(("customer_asn",), f"both ends have ASN {spec.cloud_asn}", why, "change one of them")
    if spec.side == "cloud":
        for key, asn, allowed in (
            ("cloud_asn", spec.cloud_asn, CLOUD_ASNS),
            ("customer_asn", spec.customer_asn, CUSTOMER_ASNS),
        ):
            if asn not in allowed:
                why = "the cloud that this end plays takes no other"
                what = f"{asn} is not in {allowed[0]}-{allowed[-1]}"
                yield Finding((key,), what, why, f"write a number from {allowed[0]} to {allowed[-1]}")


def routes_have_a_source(spec: EndpointSpec) -> Findings:
    """Without BGP nothing is announced, and nothing is reached but by static routes."""
    if spec.bgp:
        return
    if spec.announce:
        why = "with bgp: false there is nobody to tell"
        yield Finding(("announce",), "prefixes are announced where BGP is off", why, "remove announce")
    if not spec.routes:
        why = "without BGP and without static routes nothing is sent into the tunnels"
        yield Finding((), "the key 'routes' is missing", why, "add routes: [RANGE], what lies behind the other end")


def one_tunnel_per_address_pair(spec: EndpointSpec) -> Findings:
    """At most one tunnel per pair of cloud address and customer address."""
    why = "the two ends tell tunnels apart by their addresses"
    pairs = (((*path, "customer_address"), (t.cloud_address, t.customer_address)) for path, t in _tunnels(spec))
    yield from _once(pairs, "the address pair", why)


def identities_tell_the_keys_apart(spec: EndpointSpec) -> Findings:
    """Ours: the IKE daemon finds a tunnel's key by the identities of its two ends."""
    why = "keys are told apart by the two identities"
    pairs = (
        (path, (tunnel.local_id or str(tunnel.cloud_address), tunnel.remote_id or str(tunnel.customer_address)))
        for path, tunnel in _tunnels(spec)
        if tunnel.local_id or tunnel.remote_id
    )
    yield from _once(pairs, "the identities", why)


def inner_networks_are_apart(spec: EndpointSpec) -> Findings:
    """No two tunnels share a /30, and none lies in a range that is announced or routed."""
    inners = [Placed(tunnel.inner, (*path, "inner")) for path, tunnel in _tunnels(spec)]
    yield from _once(((item.path, item.network) for item in inners), "the inner network", "each tunnel has its own /30")
    routed = [
        Placed(network, (key, index))
        for key, networks in (("announce", spec.announce), ("routes", spec.routes))
        for index, network in enumerate(networks)
        if network.prefixlen
    ]
    for range_, inner in overlaps(routed, inners):
        what = f"{inner.network} overlaps {range_.network} of {dotted(range_.path)}"
        why = "both would be routed on this host"
        yield Finding(inner.path, what, why, "use a /30 outside, for example of 169.254.0.0/20")


def public_addresses_are_apart_from_the_ranges(spec: EndpointSpec) -> Findings:
    """Ours: what goes to a public address goes outside the tunnels."""
    routed = [Placed(network, ("routes", index)) for index, network in enumerate(spec.routes) if network.prefixlen]
    peers = [Placed(IPv4Network(spec.peer_address(tunnel)), path) for path, tunnel in _tunnels(spec)]
    for range_, peer in overlaps(routed, peers):
        what = f"the peer's address {peer.network.network_address} is in {range_.network} of {dotted(range_.path)}"
        why = "IKE and ESP themselves would be routed into the tunnel"
        yield Finding(range_.path, what, why, "leave the peer's address out of the range")


def cloud_takes_its_inner_networks(spec: EndpointSpec) -> Findings:
    """An emulated cloud takes the inner networks that the real one takes."""
    for path, tunnel in _tunnels(spec):
        if spec.side == "cloud" and not any(tunnel.inner.subnet_of(allowed) for allowed in INNER_RANGES):
            why = f"the cloud takes a /30 in {', '.join(map(str, INNER_RANGES))}"
            mend = "use a /30 of one of these, for example 169.254.10.0/30"
            yield Finding((*path, "inner"), f"{tunnel.inner} lies outside the ranges of inner networks", why, mend)


def cloud_inner_address_is_a_host(spec: EndpointSpec) -> Findings:
    """The cloud's inner address is one of the two hosts of the inner network."""
    for path, tunnel in _tunnels(spec):
        address, inner = tunnel.cloud_inner_address, tunnel.inner
        if address is not None and address not in (inner[1], inner[2]):
            why = "the cloud's inner address is one of the two hosts of the tunnel's /30"
            mend = f"use {inner[1]} or {inner[2]}"
            yield Finding((*path, "cloud_inner_address"), f"{address} is no host of {inner}", why, mend)


def timers_fit(spec: EndpointSpec) -> Findings:
    """The timers of a tunnel fit each other, and IKEv2's retries are those of all tunnels."""
    first: tuple[Path, int | None] | None = None
    for path, tunnel in _tunnels(spec):
        yield from dpd_setting_needs_dpd(path, tunnel)
        yield from keepalive_keeps_the_hold_time(path, tunnel, bgp=spec.bgp)
        if tunnel.ike_version == "v2":
            first = first or (path, tunnel.dpd_retries)
            if tunnel.dpd_retries != first[1]:
                what = f"dpd_retries differs from that of {dotted(first[0])}"
                why = "the IKE daemon has one schedule for all its IKEv2 tunnels"
                yield Finding(path, what, why, "write the same dpd_retries for all of them, or for none")


def each_tunnel_has_one_key(spec: EndpointSpec) -> Findings:
    """A key is in a file or in a secret."""
    for path, tunnel in _tunnels(spec):
        if (tunnel.psk_file is None) == (tunnel.psk_secret is None):
            what = "there is no key" if tunnel.psk_file is None else "psk_file and psk_secret are both given"
            why = "each tunnel has one pre-shared key, which the other end has too"
            yield Finding(path, what, why, "write psk_file: PATH or psk_secret: NAME")


def _tunnels(spec: EndpointSpec) -> Iterator[tuple[Path, EndpointTunnel]]:
    for index, tunnel in enumerate(spec.tunnels):
        yield ("tunnels", index), tunnel


def _once(values: Iterator[tuple[Path, object]], thing: str, why: str) -> Findings:
    """Each value is given once."""
    seen: dict[object, Path] = {}
    for path, value in values:
        first = seen.setdefault(value, path)
        if first != path:
            shown = " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            yield Finding(path, f"{shown}: {thing} of {dotted(first[:2])} too", why, "change one of the two")


RULES: tuple[Callable[[EndpointSpec], Findings], ...] = (
    there_are_tunnels,
    bgp_has_two_asns,
    routes_have_a_source,
    one_tunnel_per_address_pair,
    identities_tell_the_keys_apart,
    inner_networks_are_apart,
    public_addresses_are_apart_from_the_ranges,
    cloud_takes_its_inner_networks,
    cloud_inner_address_is_a_host,
    timers_fit,
    each_tunnel_has_one_key,
)

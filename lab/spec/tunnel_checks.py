"""What must hold of the tunnels of VPN connections: their addresses, inner networks and identities."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from lab.spec.model import LabSpec, Tunnel
from lab.spec.rule_parts import Findings, row
from lab.spec.walks import tunnels
from lab.spec.wording import Finding, Path, dotted, shown


def tunnel_addresses_belong_to_their_ends(spec: LabSpec) -> Findings:
    """A tunnel goes from an address of its connection to one of the connection's customer gateway."""
    for path, connection, tunnel in tunnels(spec):
        why = "a tunnel runs between a public address of the connection and one of its customer gateway"
        given = connection.public_addresses
        if given is None:
            what = f"{tunnel.cloud_address} cannot be known: the connection's addresses are left out"
            mend = f"write public_addresses in {dotted(path[:-2])}, or leave tunnels out"
            yield Finding((*path, "cloud_address"), what, why, mend)
        elif tunnel.cloud_address not in given:
            what = f"{tunnel.cloud_address} is no public address of the connection"
            yield Finding((*path, "cloud_address"), what, why, f"use one of {row(given)}")
        customer = spec.cloud.customer_gateways.get(connection.customer_gateway)
        if customer and tunnel.customer_address not in customer.public_addresses:
            what = f"{tunnel.customer_address} is no public address of customer gateway {connection.customer_gateway}"
            yield Finding((*path, "customer_address"), what, why, f"use one of {row(customer.public_addresses)}")


def one_tunnel_per_address_pair(spec: LabSpec) -> Findings:
    """At most one tunnel per pair of cloud address and customer address."""
    seen: dict[tuple[IPv4Address, IPv4Address], Path] = {}
    for path, _, tunnel in tunnels(spec):
        first = seen.setdefault((tunnel.cloud_address, tunnel.customer_address), path)
        if first != path:
            what = f"{tunnel.cloud_address} - {tunnel.customer_address} is the address pair of {dotted(first)} too"
            why = "the cloud takes one tunnel per address pair"
            yield Finding(path, what, why, "change one of its addresses or remove it")


def inner_networks_are_unique(spec: LabSpec) -> Findings:
    """No two tunnels of one border gateway (the cloud's rule) or of one customer gateway (ours) share a /30."""
    seen: dict[tuple[str, str, IPv4Network], Path] = {}
    for path, connection, tunnel in tunnels(spec):
        if tunnel.inner is None:
            continue
        for kind, gateway in (("border", connection.border_gateway), ("customer", connection.customer_gateway)):
            first = seen.setdefault((kind, gateway, tunnel.inner), path)
            if first != path:
                what = f"{tunnel.inner} is the inner network of {dotted(first)} too"
                why = f"the tunnels of {kind} gateway {gateway} are told apart by their inner networks"
                yield Finding((*path, "inner"), what, why, "use another /30, or leave inner out")
                break


def identity_pairs_tell_the_keys_apart(spec: LabSpec) -> Findings:
    """Ours: a gateway's IKE daemon finds the pre-shared key by the identities of the two ends alone."""
    seen: dict[tuple[str, str, str, str], tuple[Path, Tunnel]] = {}
    for path, connection, tunnel in tunnels(spec):
        local_id = tunnel.local_id or str(tunnel.cloud_address)
        remote_id = tunnel.remote_id or str(tunnel.customer_address)
        for kind, gateway in (("border", connection.border_gateway), ("customer", connection.customer_gateway)):
            first, other = seen.setdefault((kind, gateway, local_id, remote_id), (path, tunnel))
            same_pair = (tunnel.cloud_address, tunnel.customer_address) == (other.cloud_address, other.customer_address)
            if not same_pair and not (tunnel.psk and tunnel.psk == other.psk):
                step = "local_id" if tunnel.local_id else "remote_id"
                what = f"the identities {shown(local_id)} and {shown(remote_id)} are those of {dotted(first)} too"
                why = f"{kind} gateway {gateway} tells the keys of its tunnels apart by the two identities"
                yield Finding((*path, step), what, why, "use other identities, or write the same psk for both")
                break


def cloud_inner_address_is_in_the_inner_network(spec: LabSpec) -> Findings:
    """The cloud's inner address is one of the two hosts of the inner network."""
    for path, _, tunnel in tunnels(spec):
        address, inner = tunnel.cloud_inner_address, tunnel.inner
        if address is None:
            continue
        place = (*path, "cloud_inner_address")
        why = "the cloud's inner address is one of the two hosts of the tunnel's /30"
        if inner is None:
            yield Finding(place, f"{address} is given without an inner network", why, "write inner as well")
        elif address not in (inner[1], inner[2]):
            yield Finding(place, f"{address} is no host of {inner}", why, f"use {inner[1]} or {inner[2]}")

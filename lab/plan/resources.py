"""The resources of a topology, as the cloud's rules about creation, change and deletion take them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from pydantic import BaseModel

from lab.cloud.high_availability import AddressPair
from lab.cloud.resources import Key, Kind, Resource, Resources, by_key
from lab.plan.allocations import Allocations, Numbering
from lab.plan.tunnels import Connection, connections, tunnel_key
from lab.spec.model import LabSpec

NO_KEYS: Mapping[str, str] = MappingProxyType({})


def resources_of(spec: LabSpec, allocations: Allocations | None = None, keys: Mapping[str, str] = NO_KEYS) -> Resources:
    """All resources of a topology that was found free of problems; `allocations` and `keys` by tunnel are those it has.

    A VPC attachment is called "app - bgw1", a tunnel "hq 203.0.113.10 - 198.51.100.10": by what makes it the one that
    it is, not by its place in the file. Settings are the file's; what may be
    left out there (a connection's addresses and ASN, a tunnel's inner network, identities and key) is what it has.
    """
    return by_key(_resources(spec, connections(spec, Numbering(allocations)), keys))


def _resources(spec: LabSpec, found: Iterable[Connection], keys: Mapping[str, str]) -> Iterator[Resource]:
    cloud = spec.cloud
    for name, border in cloud.border_gateways.items():
        yield _named(Kind.BORDER_GATEWAY, name, border)
    for name, vpc in cloud.vpcs.items():
        yield _named(Kind.VPC, name, vpc)
    for attachment in cloud.vpc_attachments:
        border_key = Key(Kind.BORDER_GATEWAY, attachment.border_gateway)
        ends = (Key(Kind.VPC, attachment.vpc), border_key)
        yield _named(Kind.VPC_ATTACHMENT, f"{attachment.vpc} - {attachment.border_gateway}", attachment, ends)
    for name, customer in cloud.customer_gateways.items():
        yield _named(Kind.CUSTOMER_GATEWAY, name, customer)
    for connection in found:
        yield from _of_connection(connection, keys)


def _of_connection(connection: Connection, keys: Mapping[str, str]) -> Iterator[Resource]:
    key = Key(Kind.VPN_CONNECTION, connection.name)
    ends = (
        Key(Kind.BORDER_GATEWAY, connection.border_gateway),
        Key(Kind.CUSTOMER_GATEWAY, connection.customer_gateway),
    )
    of_connection: dict[str, object] = {
        "public_addresses": connection.public_addresses,
        "local_asn": connection.cloud_as,
    }
    settings = {name: value for name, value in _settings(connection.spec).items() if name != "tunnels"}
    yield Resource(key, frozenset(ends), settings | of_connection)
    for tunnel in connection.tunnels:
        pair = AddressPair(tunnel.spec.cloud_address, tunnel.spec.customer_address)
        given: dict[str, object] = {
            "inner": tunnel.inner,
            "cloud_inner_address": tunnel.cloud_inner,
            "local_id": tunnel.spec.local_id or str(tunnel.spec.cloud_address),
            "remote_id": tunnel.spec.remote_id or str(tunnel.spec.customer_address),
        }
        if tunnel.name in keys:
            given["psk"] = keys[tunnel.name]
        tunnel_settings = _settings(tunnel.spec) | given
        yield Resource(Key(Kind.VPN_TUNNEL, tunnel_key(connection.name, pair)), frozenset((key,)), tunnel_settings)


def _named(kind: Kind, name: str, part: BaseModel, stands_on: Iterable[Key] = ()) -> Resource:
    return Resource(Key(kind, name), frozenset(stands_on), _settings(part))


def _settings(part: BaseModel) -> dict[str, object]:
    return dict(part)

"""The resources of a topology, as the cloud's rules about creation, change and deletion take them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from lab.cloud.resources import Key, Kind, Resource, Resources, by_key
from lab.plan.tunnels import Connection, connections
from lab.spec.model import LabSpec


def resources_of(spec: LabSpec) -> Resources:
    """All resources of a topology that was found free of problems.

    A VPC attachment is called "app - bgw1", a tunnel "hq 203.0.113.10 - 198.51.100.10": by what makes it the one that
    it is, not by its place in the file. Settings are the file's; a connection's addresses and ASN are the ones it has.
    """
    return by_key(_resources(spec))


def _resources(spec: LabSpec) -> Iterator[Resource]:
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
    for connection in connections(spec):
        yield from _of_connection(connection)


def _of_connection(connection: Connection) -> Iterator[Resource]:
    key = Key(Kind.VPN_CONNECTION, connection.name)
    ends = (
        Key(Kind.BORDER_GATEWAY, connection.border_gateway),
        Key(Kind.CUSTOMER_GATEWAY, connection.customer_gateway),
    )
    given = {"public_addresses": connection.public_addresses, "local_asn": connection.cloud_as}
    settings = {name: value for name, value in _settings(connection.spec).items() if name != "tunnels"}
    yield Resource(key, frozenset(ends), settings | given)
    for tunnel in connection.tunnels:
        pair = f"{tunnel.spec.cloud_address} - {tunnel.spec.customer_address}"
        yield _named(Kind.VPN_TUNNEL, f"{connection.name} {pair}", tunnel.spec, (key,))


def _named(kind: Kind, name: str, part: BaseModel, stands_on: Iterable[Key] = ()) -> Resource:
    return Resource(Key(kind, name), frozenset(stands_on), _settings(part))


def _settings(part: BaseModel) -> dict[str, object]:
    return dict(part)

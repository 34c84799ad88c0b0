"""What the user asked of one endpoint that stands alone: a frozen EndpointSpec.

A tunnel is written as in a topology, from the cloud's point of view, so the files of the two ends differ in little but
`side`, `announce` and where the key lies.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from lab.spec.fields import (
    RANGE_SCHEMA,
    FormatVersion,
    LabName,
    Network,
    Truth,
    Whole,
    inner_network,
    public_address,
    refused,
)
from lab.spec.model import Part, Tunnel

AUTO: Final = "auto"

NOT_HERE = "a key in this file would be as readable as the file"


def _no_key(value: object) -> None:
    """A left-out key is fine, any other is refused unseen."""
    if value is not None:
        raise refused("a pre-shared key stands in the file", NOT_HERE, "put it into a file and write psk_file: PATH")


def _own_address(value: object) -> IPv4Address | Literal["auto"]:
    return AUTO if value == AUTO else public_address(value)


NoKey = Annotated[None, BeforeValidator(_no_key), WithJsonSchema({"type": "null"})]
OwnAddress = Annotated[
    IPv4Address | Literal["auto"],
    BeforeValidator(_own_address),
    WithJsonSchema({"anyOf": [{"const": AUTO}, {"type": "string", "format": "ipv4"}]}),
]
InnerNetwork = Annotated[IPv4Network, BeforeValidator(inner_network), WithJsonSchema(RANGE_SCHEMA)]
Asn = Annotated[int, Whole(1, 4_294_967_294, "an AS number has 32 bits (RFC 6793)")]
PathMtu = Annotated[int, Whole(576, 9_216, "paths carry packets of 576-9216 bytes")]


class EndpointTunnel(Tunnel):
    """One tunnel, with the parameters of a topology's. "local" is the cloud's end, whichever end this is."""

    inner: InnerNetwork = Field(description="inner network, a /30: one host for each end")
    psk: NoKey = Field(None, description="not in this file: psk_file or psk_secret")
    psk_file: str | None = Field(
        None, min_length=1, description="file that holds the pre-shared key, closed to others; relative to this file"
    )
    psk_secret: LabName | None = Field(
        None, description="secret that holds the pre-shared key: a file in $CREDENTIALS_DIRECTORY or /run/secrets"
    )
    own_address: OwnAddress | None = Field(
        None, description="address of this host behind a NAT, or auto; left out: this end's public address"
    )


class EndpointSpec(Part):
    """A whole endpoint file."""

    vpnlab_endpoint: FormatVersion = Field(description="version of the file format: 1")
    name: LabName = Field(description="the endpoint's name; tunnels are called after it")
    side: Literal["cloud", "idc"] = Field(description="which end this host is: cloud or idc (the customer)")
    timers: Literal["production", "fast"] = Field("production", description="DPD and BGP timers")
    cloud_asn: Asn = Field(65_000, description="ASN of the cloud's end")
    customer_asn: Asn | None = Field(None, description="ASN of the customer's end; needed with BGP")
    bgp: Truth = Field(default=True, description="true: eBGP in each tunnel; false: static routes only")
    announce: tuple[Network, ...] = Field((), description="prefixes behind this end that the other is told of")
    routes: tuple[Network, ...] = Field((), description="static routes over all tunnels that are up")
    initiate: Truth | None = Field(None, description="whether this end starts IKE; left out: the cloud does")
    bgp_passive: Truth | None = Field(
        None, description="whether this end waits for the peer's TCP connection; left out: the customer does"
    )
    path_mtu: PathMtu = Field(1_500, description="bytes that the path between the public addresses carries")
    nat: Truth = Field(default=False, description="whether a NAT stands in between; own_address says so too")
    tunnels: tuple[EndpointTunnel, ...] = Field(description="the tunnels, in the same order at both ends")

    def tunnel_name(self, index: int) -> str:
        """What the tunnel at a place in the file is called: "office-1" for the first."""
        return f"{self.name}-{index + 1}"

    def own_public_address(self, tunnel: Tunnel) -> IPv4Address:
        """This end's public address of a tunnel."""
        return tunnel.cloud_address if self.side == "cloud" else tunnel.customer_address

    def peer_address(self, tunnel: Tunnel) -> IPv4Address:
        """The other end's public address of a tunnel."""
        return tunnel.customer_address if self.side == "cloud" else tunnel.cloud_address

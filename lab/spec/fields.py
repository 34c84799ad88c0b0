"""The kinds of values in a topology file, each with the rule that one value alone can break.

A field takes the text that stands in the file, or the value itself where a spec is built by a program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from lab.cloud.keys import PSK_PATTERN, is_psk
from lab.cloud.quotas import CLOUD_ADDRESSES
from lab.cloud.vpc_routes import PROPAGATION_PRIORITIES, STATIC_PRIORITIES
from lab.spec.names import LAB_NAME_PATTERN, NAME_PATTERN
from lab.spec.wording import shown

# From the cloud: 'inner network' of the tunnel parameters.
INNER_RANGES = tuple(IPv4Network(text) for text in ("169.254.0.0/20", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
INNER_PREFIX_LENGTH = 30

# RFC 6890: this network, loopback; multicast and reserved. No host outside can have these.
NO_HOSTS = tuple(IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"))
LINK_LOCAL = IPv4Network("169.254.0.0/16")

REFUSED = "refused"
"""Type of the pydantic errors whose context says what, why and how to mend."""


def refused(what: str, why: str, mend: str) -> PydanticCustomError:
    """The error that a validator raises; never give it a key."""
    return PydanticCustomError(REFUSED, "refused", {"what": what, "why": why, "mend": mend})


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int
    why: str

    def read(self, value: object) -> int:
        """The number; Python's bool is none."""
        mend = f"write a number from {self.low} to {self.high}"
        number = number_in(value)
        if not isinstance(number, int) or isinstance(number, bool):
            raise refused(f"{shown(value)} is not a whole number", self.why, mend)
        if not self.low <= number <= self.high:
            raise refused(f"{number} is not in {self.low}-{self.high}", self.why, mend)
        return number

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that the pattern matches as a whole; `secret` texts are not shown when they are refused."""

    pattern: str
    kind: str
    why: str
    mend: str

    def read(self, value: object) -> str:
        """The text as it was written."""
        if isinstance(value, str) and re.fullmatch(self.pattern, value):
            return str(value)
        raise refused(f"{shown(value)} is not {self.kind}", self.why, self.mend)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{self.pattern}$"}


def nothing_named() -> Mapping[str, Any]:
    """The mapping of names that a left-out key stands for."""
    return MappingProxyType({})


def number_in(value: object) -> object:
    """The number that a text is in decimal; anything else as it came, for the field to refuse.

    No leading zero, 0x, _ or :, which the versions of YAML read differently.
    """
    if isinstance(value, str) and re.fullmatch(r"[+-]?(0|[1-9][0-9]{0,17})", value):
        return int(value)
    return value


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "True", "TRUE"):
        return True
    if value in ("false", "False", "FALSE"):
        return False
    why = "yes, no, on and off mean different things in different versions of YAML"
    raise refused(f"{shown(value)} is neither true nor false", why, "write true or false")


def _null(value: object) -> object:
    """The cloud's SDK writes no PFS as the text `null`."""
    return None if value == "null" else value


def _address(value: object) -> IPv4Address:
    if isinstance(value, IPv4Address):
        return value
    try:
        return IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        why = "the lab is IPv4 only, inside and outside"
        raise refused(f"{shown(value)} is not an IPv4 address", why, "write four numbers, as in 192.0.2.10") from None


def public_address(value: object) -> IPv4Address:
    """An address that the other end can reach."""
    address = _address(value)
    if any(address in network for network in (*NO_HOSTS, LINK_LOCAL)):
        why = "the two ends reach each other over their public addresses"
        mend = "use a unicast address, for example from 192.0.2.0/24, 198.51.100.0/24 or 203.0.113.0/24"
        raise refused(f"{address} cannot be a public address", why, mend)
    return address


def _network(value: object) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    text = value if isinstance(value, str) else ""
    why = "a range is a network address and a prefix length"
    if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", text):
        raise refused(f"{shown(value)} is not an IPv4 range", why, "write it as in 10.0.0.0/16")
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise refused(f"{shown(value)} is not an IPv4 range", why, "write it as in 10.0.0.0/16") from None
    if text.split("/")[0] != str(network.network_address):
        raise refused(f"{shown(value)} has bits set behind its prefix", why, f"write {network}")
    return network


def _range(value: object) -> IPv4Network:
    network = _network(value)
    if any(network.overlaps(other) for other in NO_HOSTS):
        why = "0.0.0.0/8, 127.0.0.0/8 and 224.0.0.0/3 hold no hosts"
        raise refused(f"{network} holds addresses that no host can have", why, "use a private range, as 10.0.0.0/16")
    return network


def _destination(value: object) -> IPv4Network:
    """A range that a route leads to: 0.0.0.0/0 is everything."""
    network = _network(value)
    return network if network.prefixlen == 0 else _range(network)


def _link(value: object) -> IPv4Network:
    network = _range(value)
    if network.prefixlen > INNER_PREFIX_LENGTH:
        why = "its router takes the first host address and a host needs another"
        raise refused(f"{network} has no room for a router and a host", why, "use a /30 or a larger range")
    return network


def inner_network(value: object) -> IPv4Network:
    """A /30, wherever it is."""
    network = _network(value)
    why = "each BGP session runs between the two hosts of a /30"
    if network.prefixlen != INNER_PREFIX_LENGTH:
        usable = max(network.num_addresses - 2, 0) if network.prefixlen < 31 else network.num_addresses
        what = f"{network} has {usable} usable addresses; a tunnel needs exactly 2"
        raise refused(what, why, f"use a /30, for example {network.network_address}/30")
    return network


def _inner(value: object) -> IPv4Network:
    network = inner_network(value)
    if not any(network.subnet_of(allowed) for allowed in INNER_RANGES):
        ranges = ", ".join(str(allowed) for allowed in INNER_RANGES)
        raise refused(
            f"{network} lies outside the ranges of inner networks",
            f"the cloud takes a /30 in {ranges}",
            "use a /30 of one of these, for example 169.254.10.0/30",
        )
    return network


def _psk(value: object) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str) and is_psk(text):
        return SecretStr(text)
    what = "the pre-shared key is not one that the cloud takes (it is never shown)"
    why = "the cloud takes 1-20 of A-Z a-z 0-9 _ -, not beginning with 0x or 0s"
    raise refused(what, why, "choose such a key, or leave psk out to have one generated")


def _addresses_count(
    allowed: tuple[int, ...], why: str
) -> Callable[[tuple[IPv4Address, ...]], tuple[IPv4Address, ...]]:
    words = " or ".join(str(count) for count in allowed)

    def check(addresses: tuple[IPv4Address, ...]) -> tuple[IPv4Address, ...]:
        if len(addresses) not in allowed:
            raise refused(f"{len(addresses)} addresses are given", why, f"give {words}")
        return addresses

    return check


_CLOUD_PAIR = _addresses_count((CLOUD_ADDRESSES.limit,), "a VPN connection has two cloud public addresses")
_CUSTOMER_SET = _addresses_count((1, 2, 4), "a customer gateway has 1, 2 or 4 public addresses")

_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS_SCHEMA = {"type": "string", "format": "ipv4"}
RANGE_SCHEMA = {"type": "string", "pattern": rf"^({_OCTET}\.){{3}}{_OCTET}/([12]?[0-9]|3[0-2])$"}
_INNER_SCHEMA = {"type": "string", "pattern": rf"^({_OCTET}\.){{3}}{_OCTET}/30$"}

IDENTITY_PATTERN = "[!-$&-~]([ -~]{0,126}[!-~])?"  # printable; a leading % is a wildcard to IKE daemons

DESCRIPTION_PATTERN = (
    "[^\x00-\x1f\x7f-\x9f\u2028\u2029]{0,256}"  # ours: no control characters, which a terminal would obey
)

T = TypeVar("T")

LabName = Annotated[
    str,
    Text(
        LAB_NAME_PATTERN,
        "a name that can be a lab's",
        "it becomes the name of files and processes",
        "use 1-32 of a-z 0-9 -, beginning with a letter",
    ),
]
Name = Annotated[
    str,
    Text(
        NAME_PATTERN,
        "a name",
        "the cloud takes names of 1-32 Chinese characters, digits, letters, _ and -",
        "use 1-32 of these",
    ),
]
Description = Annotated[
    str,
    Text(
        DESCRIPTION_PATTERN,
        "a description",
        "the cloud takes descriptions of at most 256 characters",
        "write one line of at most 256 characters",
    ),
]
Named = Annotated[
    Mapping[Name, T],
    AfterValidator(MappingProxyType),
    PlainSerializer(dict),
    Field(json_schema_extra={"additionalProperties": False}),
]
"""Things by their names, in the order of the file; cannot be changed."""
Identity = Annotated[
    str,
    Text(
        IDENTITY_PATTERN,
        "an identity",
        "IKE peers are told apart by it",
        "use 1-128 printable ASCII characters, not beginning with %",
    ),
]
Truth = Annotated[bool, BeforeValidator(_truth)]
Address = Annotated[IPv4Address, BeforeValidator(_address), WithJsonSchema(_ADDRESS_SCHEMA)]
PublicAddress = Annotated[IPv4Address, BeforeValidator(public_address), WithJsonSchema(_ADDRESS_SCHEMA)]
Range = Annotated[IPv4Network, BeforeValidator(_range), WithJsonSchema(RANGE_SCHEMA)]
Network = Annotated[IPv4Network, BeforeValidator(_destination), WithJsonSchema(RANGE_SCHEMA)]
Link = Annotated[IPv4Network, BeforeValidator(_link), WithJsonSchema(RANGE_SCHEMA)]
Inner = Annotated[IPv4Network, BeforeValidator(_inner), WithJsonSchema(_INNER_SCHEMA)]
CloudAddresses = Annotated[tuple[PublicAddress, ...], AfterValidator(_CLOUD_PAIR)]
CustomerAddresses = Annotated[tuple[PublicAddress, ...], AfterValidator(_CUSTOMER_SET)]
Psk = Annotated[
    SecretStr,
    BeforeValidator(_psk),
    WithJsonSchema({"type": "string", "pattern": f"^{PSK_PATTERN}$", "writeOnly": True}),
]
CloudAsn = Annotated[int, Whole(64512, 65534, "the cloud takes its own ASN from 64512-65534")]
CustomerAsn = Annotated[int, Whole(65001, 65499, "the cloud takes a customer's ASN from 65001-65499")]
Dpd = Annotated[Literal[0, 10], BeforeValidator(number_in)]
DpdDelaySec = Annotated[int, Whole(1, 3_600, "a device asks a silent peer every 1-3600 seconds")]
DpdRetries = Annotated[int, Whole(1, 20, "strongSwan repeats a request 1-20 times before it calls the peer dead")]
HoldSec = Annotated[int, Whole(3, 65_535, "RFC 4271 allows hold times of 3-65535 seconds")]
KeepaliveSec = Annotated[int, Whole(1, 21_845, "a keepalive goes out at least three times in a hold time")]
SaLifeSec = Annotated[int, Whole(60, 86_400, "the cloud takes SA lifetimes of 60-86400 seconds")]
SaLifePackets = Annotated[int, Whole(0, 100_000_000, "the cloud takes 0 (off) to 100000000 packets")]
SaLifeBytes = Annotated[int, Whole(0, 107_374_182_400, "the cloud takes 0 (off) to 107374182400 bytes")]
BandwidthMbps = Annotated[int, Whole(1, 1_500, "the cloud sells 1-1500 Mbit/s per tunnel")]
VpcRulePriority = Annotated[
    int, Whole(STATIC_PRIORITIES[0], STATIC_PRIORITIES[-1], "the cloud takes priorities of 1-255 for static rules")
]
PropagationPriority = Annotated[
    int,
    Whole(
        PROPAGATION_PRIORITIES[0],
        PROPAGATION_PRIORITIES[-1],
        "the cloud takes priorities of 101-255 for route propagation, behind static rules of default priority",
    ),
]
Prepends = Annotated[int, Whole(1, 10, "ours: devices offer up to ten repetitions of their own ASN")]
PfsGroup = Annotated[Literal["modp1024", "modp1536", "modp2048", "ecp256", "ecp384"] | None, BeforeValidator(_null)]
FormatVersion = Annotated[Literal[1], BeforeValidator(number_in)]

"""Every row of the cloud's table of tunnel parameters, through topology files: its ends, its default, and beyond."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import pytest
from pydantic import SecretStr

from lab.errors import SpecError
from lab.plan.compile import compile_plan
from lab.plan.timers import FAST
from lab.plan.tunnels import connections, selectors_of, tunnel_ends
from lab.spec.load import REFERENCE, parse_topology
from lab.spec.model import LabSpec, Tunnel

TEXT = REFERENCE.read_text()
ANCHOR = "          inner: 169.254.10.0/30"


TIMERS = {"dpd_delay_sec", "dpd_retries", "bgp_hold_sec", "bgp_keepalive_sec"}
"""A tunnel's timers, which the cloud does not let its users choose."""


@dataclass(frozen=True)
class Row:
    """A parameter by its key in the file; values are YAML. `accepted` begins with the least and ends with the
    greatest value of a range; `refused` holds one beyond each end, then values of a wrong type.
    """

    key: str
    default: object
    accepted: dict[str, object]
    refused: tuple[str, ...]


def words(*values: str) -> dict[str, object]:
    return {value: value for value in values}


WRONG_TYPES = ("[]", "{}", "[1]", "{a: b}", "''", "~")
NO_NUMBER = (*WRONG_TYPES, "x", "1.5", "true", "1e3", "0x10", "1_000", "010", "'-'", "10:20", ".inf")

GROUPS = ("modp1024", "modp1536", "modp2048", "ecp256", "ecp384")

TABLE = (
    Row(
        "psk",
        None,
        {"a": SecretStr("a"), "Az09_-": SecretStr("Az09_-"), "k" * 20: SecretStr("k" * 20), "0X": SecretStr("0X")},
        ("''", "k" * 21, "0x1", "0s1", "0x", "0s", "a.b", "a b", "'a '", "ä", "[a]", "{a: b}"),
    ),
    Row("local_id", None, words("a", "vpn.example.com", "i" * 128), ("''", "i" * 129, "'%any'", "ä", "[]", "{a: b}")),
    Row("remote_id", None, words("a", "203.0.113.9", "i" * 128), ("''", "i" * 129, "'%any'", "ä", "[]", "{a: b}")),
    Row(
        "inner",
        None,
        {
            text: IPv4Network(text)
            for text in (
                "169.254.0.0/30",
                "169.254.15.252/30",
                "10.255.255.252/30",
                "172.16.0.0/30",
                "172.31.255.252/30",
                "192.168.0.0/30",
                "192.168.255.252/30",
            )
        },
        (
            *("169.254.16.0/30", "9.255.255.252/30", "11.0.0.0/30", "172.15.255.252/30", "172.32.0.0/30"),
            *(
                "192.167.255.252/30",
                "192.169.0.0/30",
                "192.168.0.0/29",
                "192.168.0.0/31",
                "192.168.0.0",
                "192.168.0.1/30",
            ),
            *("[]", "{}", "''", "30", "fd00::/30"),
        ),
    ),
    Row("ike_version", "v2", words("v1", "v2"), ("v0", "v3", "2", "ikev2", *WRONG_TYPES)),
    Row("ike_mode", "main", words("main", "aggressive"), ("quick", "MAIN", "1", *WRONG_TYPES)),
    Row("ike_key_exchange", "ecp256", words(*GROUPS), ("modp768", "modp3072", "ecp521", "14", "null", *WRONG_TYPES)),
    Row("ike_cipher", "aes128", words("aes128", "aes192", "aes256", "3des"), ("des", "aes", "aes512", *WRONG_TYPES)),
    Row("ike_auth", "sha256", words("sha1", "sha256", "sha384"), ("md5", "sha512", "sha", *WRONG_TYPES)),
    Row("ike_dpd_sec", 10, {"0": 0, "10": 10}, ("-1", "1", "9", "11", *NO_NUMBER)),
    Row("ike_sa_life_sec", 14_400, {"60": 60, "61": 61, "86400": 86_400}, ("59", "86401", "0", *NO_NUMBER)),
    Row("ipsec_cipher", "aes128", words("aes128", "aes192", "aes256"), ("3des", "null", *WRONG_TYPES)),
    Row("ipsec_auth", "sha256", words("sha1", "sha256", "sha384"), ("md5", "null", *WRONG_TYPES)),
    Row(
        "ipsec_key_exchange",
        None,
        {"null": None, "'null'": None, **words(*GROUPS)},
        ("modp768", "modp3072", "none", "0", "[]", "{}", "''"),
    ),
    Row("ipsec_sa_life_sec", 3_600, {"60": 60, "61": 61, "86400": 86_400}, ("59", "86401", "0", *NO_NUMBER)),
    Row("ipsec_sa_life_pkt", 0, {"0": 0, "100000000": 100_000_000}, ("-1", "100000001", *NO_NUMBER)),
    Row("ipsec_sa_life_byte", 0, {"0": 0, "107374182400": 107_374_182_400}, ("-1", "107374182401", *NO_NUMBER)),
    Row("bandwidth_mbps", 1_500, {"1": 1, "1500": 1_500}, ("0", "1501", "-1", *NO_NUMBER)),
    Row("admin", "up", words("up", "down"), ("on", "UP", "true", *WRONG_TYPES)),
)

SDK_NAMES = {
    "psk": "psk",
    "localId": "local_id",
    "remoteId": "remote_id",
    "tunnelIp": "inner",
    "localTunnelIp": "cloud_inner_address",
    "ikeVersion": "ike_version",
    "ikeMode": "ike_mode",
    "ikeKeyExchange": "ike_key_exchange",
    "ikeCipher": "ike_cipher",
    "ikeAuth": "ike_auth",
    "ikeDpdSec": "ike_dpd_sec",
    "ikeSaLifeSec": "ike_sa_life_sec",
    "ipsecCipher": "ipsec_cipher",
    "ipsecAuth": "ipsec_auth",
    "ipsecKeyExchange": "ipsec_key_exchange",
    "ipsecSaLifeSec": "ipsec_sa_life_sec",
    "ipsecSaLifepkt": "ipsec_sa_life_pkt",
    "ipsecSaLifebyte": "ipsec_sa_life_byte",
    "bandwidthMbps": "bandwidth_mbps",
}


def parsed(*lines: str) -> LabSpec:
    """The reference with these lines in place of the first tunnel's inner network."""
    text = TEXT.replace(ANCHOR, "\n".join(f"          {line}" for line in lines), 1)
    return parse_topology(text.encode(), "ha.vpnlab.yaml")


def first_tunnel(spec: LabSpec) -> Tunnel:
    tunnels = spec.cloud.vpn_connections["hq"].tunnels
    assert tunnels is not None
    return tunnels[0]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.key)
def test_a_parameter_that_is_left_out_has_its_default(row: Row) -> None:
    assert getattr(first_tunnel(parsed()), row.key) == row.default


def test_an_inner_network_that_is_left_out_is_one_that_no_other_tunnel_has() -> None:
    (connection,) = connections(parsed())
    first, second = (tunnel.inner for tunnel in connection.tunnels)
    assert second == IPv4Network("169.254.10.4/30")
    assert not first.overlaps(second)
    parsed(f"inner: {first}")


def test_identities_that_are_left_out_are_the_public_addresses() -> None:
    (connection,) = connections(parsed())
    cloud, customer = tunnel_ends(connection.tunnels[0], FAST, selectors_of(connection.spec))
    assert (cloud.local_id, cloud.remote_id) == ("203.0.113.10", "198.51.100.10")
    assert (customer.local_id, customer.remote_id) == ("198.51.100.10", "203.0.113.10")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [(row.key, text, value) for row in TABLE for text, value in row.accepted.items()],
)
def test_each_value_from_the_least_to_the_greatest_is_taken_as_it_is(key: str, text: str, value: object) -> None:
    assert getattr(first_tunnel(parsed(f"{key}: {text}")), key) == value


@pytest.mark.parametrize(("key", "text"), [(row.key, text) for row in TABLE for text in row.refused])
def test_each_value_beyond_an_end_or_of_a_wrong_type_is_refused(key: str, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parsed(f"{key}: {text}")
    (problem,) = caught.value.problems
    assert problem.where == f"cloud.vpn_connections.hq.tunnels[0].{key}"
    assert problem.line == TEXT[: TEXT.index(ANCHOR)].count("\n") + 1
    assert problem.why
    assert problem.mend


def test_every_parameter_of_the_cloud_s_table_has_its_row() -> None:
    assert set(SDK_NAMES.values()) <= set(Tunnel.model_fields)
    tested = {row.key for row in TABLE} | {"cloud_inner_address", "cloud_address", "customer_address", "description"}
    assert tested == set(Tunnel.model_fields) - TIMERS


@pytest.mark.parametrize(
    ("line", "cloud", "customer"),
    [
        ("{}", "169.254.9.2", "169.254.9.1"),
        ("cloud_inner_address: 169.254.9.2", "169.254.9.2", "169.254.9.1"),
        ("cloud_inner_address: 169.254.9.1", "169.254.9.1", "169.254.9.2"),
    ],
)
def test_the_cloud_is_either_host_of_the_inner_network_and_the_second_by_default(
    line: str, cloud: str, customer: str
) -> None:
    lines = ["inner: 169.254.9.0/30"] if line == "{}" else ["inner: 169.254.9.0/30", line]
    (connection,) = connections(parsed(*lines))
    assert connection.tunnels[0].cloud_inner == IPv4Address(cloud)
    assert connection.tunnels[0].customer_inner == IPv4Address(customer)


@pytest.mark.parametrize("text", ["169.254.9.0", "169.254.9.3", "169.254.9.4", "169.254.8.255", "1", "[]", "{}", "''"])
def test_the_cloud_s_inner_address_is_no_other(text: str) -> None:
    with pytest.raises(SpecError, match="cloud_inner_address"):
        parsed("inner: 169.254.9.0/30", f"cloud_inner_address: {text}")


def test_inner_networks_of_one_border_gateway_do_not_overlap() -> None:
    with pytest.raises(SpecError, match="is the inner network of"):
        parsed("inner: 169.254.10.4/30")


@pytest.mark.parametrize(
    ("old", "new", "is_taken"),
    [
        ("{asn: 65000}", "{}", True),
        *(("asn: 65000", f"asn: {asn}", True) for asn in ("64512", "65534")),
        *(("asn: 65000", f"asn: {asn}", False) for asn in ("64511", "65535", *NO_NUMBER)),
        *(("asn: 65010", f"asn: {asn}", True) for asn in ("65001", "65499")),
        *(("asn: 65010", f"asn: {asn}", False) for asn in ("65000", "65500", *NO_NUMBER)),
        *(("local_asn: null", f"local_asn: {asn}", True) for asn in ("64512", "65534", "~")),
        *(("local_asn: null", f"local_asn: {asn}", False) for asn in ("64511", "65535", "x", "[]", "1.5")),
    ],
)
def test_each_end_s_asn_is_from_its_range(old: str, new: str, is_taken: bool) -> None:
    assert TEXT.count(old) >= 1
    data = TEXT.replace(old, new, 1).encode()
    if is_taken:
        parse_topology(data, "f")
    else:
        with pytest.raises(SpecError, match="asn"):
            parse_topology(data, "f")


def test_a_connection_s_own_asn_goes_before_its_border_gateway_s() -> None:
    (inherited,) = connections(parse_topology(TEXT.encode(), "f"))
    (own,) = connections(parse_topology(TEXT.replace("local_asn: null", "local_asn: 64512").encode(), "f"))
    assert (inherited.cloud_as, own.cloud_as) == (65_000, 64_512)


def test_both_ends_of_a_session_know_the_connection_s_own_asn() -> None:
    plan = compile_plan(parse_topology(TEXT.replace("local_asn: null", "local_asn: 64512").encode(), "f"))
    cloud, customer = plan.node("bgw1").speaker, plan.node("hq-gw").speaker
    assert cloud is not None
    assert customer is not None
    assert {cloud.as_towards(neighbor) for neighbor in cloud.neighbors} == {64_512}
    assert {neighbor.peer_as for neighbor in customer.neighbors} == {64_512}
    assert cloud.local_as == 65_000

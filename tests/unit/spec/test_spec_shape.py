"""Values that do not fit the model, and the model itself."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import get_args

import pytest
from pydantic import ValidationError

from lab.errors import Problem, SpecError
from lab.spec.load import REFERENCE, parse_topology, reference
from lab.spec.model import BorderGateway, Tunnel

TEXT = REFERENCE.read_text()


def changed(old: str, new: str) -> bytes:
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1).encode()


def line_of(text: str, data: bytes) -> int:
    return data.decode()[: data.decode().index(text)].count("\n") + 1


def problems_in(data: bytes) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        parse_topology(data, "my.yaml")
    assert caught.value.exit_code == 2
    assert all(problem.file == "my.yaml" for problem in caught.value.problems)
    return caught.value.problems


def problem_in(data: bytes) -> Problem:
    (problem,) = problems_in(data)
    return problem


def test_the_reference_is_read_into_addresses_and_numbers() -> None:
    spec = reference()
    connection = spec.cloud.vpn_connections["hq"]
    assert spec.name == "ha"
    assert spec.cloud.vpcs["app"].cidr == IPv4Network("10.0.0.0/16")
    assert connection.tunnels is not None
    assert [tunnel.inner for tunnel in connection.tunnels] == [
        IPv4Network("169.254.10.0/30"),
        IPv4Network("169.254.10.4/30"),
    ]
    assert connection.public_addresses == (IPv4Address("203.0.113.10"), IPv4Address("203.0.113.20"))
    assert connection.bgp is True
    assert connection.local_asn is None
    assert spec.idc.devices["hq-gw"].lans["hq-lan"].hosts["hq-host"] == IPv4Address("172.16.1.10")


def test_a_spec_cannot_be_changed() -> None:
    spec = reference()
    with pytest.raises(ValidationError):
        spec.name = "other"  # type: ignore[misc]
    assert isinstance(spec.cloud.vpcs, MappingProxyType)
    with pytest.raises(TypeError):
        spec.cloud.vpcs["b"] = spec.cloud.vpcs["app"]  # type: ignore[index]


def test_a_left_out_tunnel_parameter_has_the_cloud_s_default() -> None:
    tunnel = Tunnel(cloud_address=IPv4Address("203.0.113.10"), customer_address=IPv4Address("192.0.2.10"))
    assert tunnel.model_dump(exclude={"cloud_address", "customer_address"}) == {
        "psk": None,
        "local_id": None,
        "remote_id": None,
        "inner": None,
        "cloud_inner_address": None,
        "ike_version": "v2",
        "ike_mode": "main",
        "ike_key_exchange": "ecp256",
        "ike_cipher": "aes128",
        "ike_auth": "sha256",
        "ike_dpd_sec": 10,
        "ike_sa_life_sec": 14_400,
        "ipsec_cipher": "aes128",
        "ipsec_auth": "sha256",
        "ipsec_key_exchange": None,
        "ipsec_sa_life_sec": 3_600,
        "ipsec_sa_life_pkt": 0,
        "ipsec_sa_life_byte": 0,
        "bandwidth_mbps": 1_500,
        "dpd_delay_sec": None,
        "dpd_retries": None,
        "bgp_hold_sec": None,
        "bgp_keepalive_sec": None,
        "admin": "up",
        "description": "",
    }
    assert BorderGateway().asn == 65_000


def with_parameter(line: str) -> bytes:
    return changed("          inner: 169.254.10.0/30", f"          {line}")


ACCEPTED = (
    ["ike_version: v1", "ike_mode: aggressive", "ike_cipher: 3des", "ike_auth: sha1", "ike_dpd_sec: 0", "admin: down"]
    + [f"ike_key_exchange: {group}" for group in ("modp1024", "modp1536", "modp2048", "ecp256", "ecp384")]
    + [f"ipsec_key_exchange: {group}" for group in ("null", "'null'", "~", "modp1024", "ecp384")]
    + ["ike_sa_life_sec: 60", "ike_sa_life_sec: 86400", "ipsec_sa_life_sec: 60", "ipsec_sa_life_sec: 86400"]
    + ["ipsec_sa_life_pkt: 100000000", "ipsec_sa_life_byte: 107374182400", "bandwidth_mbps: 1", "bandwidth_mbps: 1500"]
    + ["psk: 0123", "psk: no", "psk: a_b-C", "psk: 12345678901234567890", "psk: 22-22"]
    + ["local_id: vpn.example.com", "remote_id: 'CN=hq, O=Example'", "inner: 169.254.15.252/30", "inner: 10.9.0.0/30"]
    + ["inner: 172.31.255.252/30", "inner: 192.168.0.0/30"]
)


@pytest.mark.parametrize("line", ACCEPTED)
def test_each_value_of_the_cloud_s_table_is_taken(line: str) -> None:
    parse_topology(with_parameter(line), "my.yaml")


REFUSED = (
    ["ike_version: v3", "ike_mode: quick", "ike_cipher: des", "ipsec_cipher: 3des", "ike_auth: md5", "ike_dpd_sec: 5"]
    + ["ike_key_exchange: modp768", "ipsec_key_exchange: none", "ike_sa_life_sec: 59", "ike_sa_life_sec: 86401"]
    + ["ipsec_sa_life_sec: 59", "ipsec_sa_life_pkt: -1", "ipsec_sa_life_pkt: 100000001", "bandwidth_mbps: 0"]
    + ["ipsec_sa_life_byte: 107374182401", "bandwidth_mbps: 1501", "bandwidth_mbps: 1e3", "bandwidth_mbps: 0x10"]
    + ["bandwidth_mbps: 010", "bandwidth_mbps: 1_000", "bandwidth_mbps: 10.0", "bandwidth_mbps: true", "admin: on"]
    + [f"psk: {key}" for key in ("0xabcd", "0sabcd", "a.b", "''", "123456789012345678901", "[a]", "{a: b}", "ä")]
    + ["local_id: '%any'", "local_id: ''", "local_id: 'a\tb'", "inner: 169.254.16.0/30", "inner: 11.0.0.0/30"]
    + ["inner: 169.254.10.0/31", "inner: 169.254.10.0", "inner: 169.254.10.1/30", "inner: fe80::/30"]
    + ["cloud_inner_address: x", "inner: 169.254.10.0/255.255.255.252"]
)


@pytest.mark.parametrize("line", REFUSED)
def test_each_value_outside_the_cloud_s_table_is_refused_at_its_line(line: str) -> None:
    data = with_parameter(line)
    problem = problem_in(data)
    assert problem.where == "cloud.vpn_connections.hq.tunnels[0]." + line.partition(":")[0]
    assert problem.line == line_of(line, data)
    assert problem.why
    assert problem.mend


def test_unknown_key_is_refused_with_its_nearest_spelling() -> None:
    data = changed("customer_address: 198", "custmer_address: 198")
    problems = problems_in(data)
    unknown = next(problem for problem in problems if "unknown" in problem.what)
    assert unknown.where == "cloud.vpn_connections.hq.tunnels[0].custmer_address"
    assert unknown.line == line_of("custmer_address", data)
    assert unknown.mend == "did you mean customer_address?"


def test_unknown_key_that_resembles_nothing_is_refused_with_the_known_ones() -> None:
    assert problem_in(changed("timers: fast", "x-extra: red")).mend == "known here: vpnlab, name, timers, cloud, idc"


def test_a_key_that_looks_like_a_place_is_an_unknown_key_too() -> None:
    assert problem_in(changed("timers: fast", "'[key]': fast")).what == "unknown key '[key]'"


def test_inner_network_that_is_no_30_is_refused_with_the_number_of_its_hosts() -> None:
    problem = problem_in(changed("169.254.10.0/30", "169.254.10.0/29"))
    assert problem.what == "169.254.10.0/29 has 6 usable addresses; a tunnel needs exactly 2"
    assert problem.mend == "use a /30, for example 169.254.10.0/30"


def test_all_problems_come_at_once_and_each_has_its_line() -> None:
    data = (
        changed("timers: fast", "timer: fast")
        .replace(b"{asn: 65000}", b"{asn: 70000}")
        .replace(b"propagate: all ", b"propagate: some")
        .replace(b"172.16.1.", b"10.0.7.")
        .replace(b"inner: 169.254.10.4/30", b"inner: 169.254.10.0/31")
    )
    found = {problem.where: problem.line for problem in problems_in(data)}
    assert found == {
        "timer": line_of("timer: fast", data),
        "cloud.border_gateways.bgw1.asn": line_of("{asn: 70000}", data),
        "cloud.vpc_attachments[0].propagate": line_of("propagate: some", data),
        "cloud.vpn_connections.hq.tunnels[1].inner": line_of("inner: 169.254.10.0/31", data),
        "idc.devices.hq-gw.lans.hq-lan.cidr": line_of("cidr: 10.0.7.0/24", data),
    }


def test_a_misspelt_key_brings_no_problem_that_only_follows_from_it() -> None:
    data = changed("      public_addresses:         # the", "      public_adresses:          # the")
    assert [problem.where for problem in problems_in(data)] == ["cloud.vpn_connections.hq.public_adresses"]


def test_thousands_of_problems_are_cut() -> None:
    data = TEXT.encode() + b"".join(b"k%d: 1\n" % number for number in range(5_000))
    problems = problems_in(data)
    assert len(problems) == 101
    assert "more problems" in problems[-1].what


@pytest.mark.parametrize(
    "asn", ["65000", "65500", "0", "4294967296", "22:22", ".nan", "1e9", "9" * 900, "''", "null", "[]"]
)
def test_asn_out_of_range_is_refused(asn: str) -> None:
    problem = problem_in(changed("asn: 65010", f"asn: {asn}"))
    assert problem.where == "cloud.customer_gateways.hq.asn"
    assert "65001-65499" in problem.why
    assert len(problem.what) < 100


@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_customer_gateway_has_1_2_or_4_addresses(count: int) -> None:
    addresses = ", ".join(f"192.0.2.{10 + number}" for number in range(count))
    data = changed("        - 198.51.100.10\n        - 192.0.2.10\n", f"          [{addresses}]\n")
    assert problem_in(data).what == f"{count} addresses are given"


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "224.0.0.5", "255.255.255.255", "169.254.1.1"])  # noqa: S104
def test_a_public_address_is_unicast(address: str) -> None:
    data = TEXT.replace("192.0.2.10", address).encode()
    assert f"{address} cannot be a public address" in problems_in(data)[0].what


@pytest.mark.parametrize(
    "name", ["22", "Ha", "a_b", "-a", "a" * 33, "ä", "2024-01-01", "''", "[a]", "null", "1.5", "a/b"]
)
def test_a_name_that_no_node_can_have_is_refused(name: str) -> None:
    assert problem_in(changed("name: ha", f"name: {name}")).where == "name"


def test_a_key_that_is_no_name_is_refused_at_its_line() -> None:
    data = changed("hq-host: 172.16.1.10", "80.80: 172.16.1.10")
    problem = problem_in(data)
    assert problem.where == "idc.devices.hq-gw.lans.hq-lan.hosts['80.80']"
    assert problem.line == line_of("80.80:", data)


@pytest.mark.parametrize("name", ["no", "on", "y", "null", "true", "e1"])
def test_a_name_stays_the_text_that_was_written(name: str) -> None:
    data = TEXT.replace("vm1:", f"{name}:").encode()
    assert list(parse_topology(data, "my.yaml").cloud.vpcs["app"].instances) == [name]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
def test_bgp_is_true_or_false(text: str, value: object) -> None:
    assert parse_topology(changed("bgp: true", f"bgp: {text}"), "f").cloud.vpn_connections["hq"].bgp is value


@pytest.mark.parametrize("text", ["yes", "off", "1", "null", "[]"])
def test_bgp_is_neither_yes_nor_off(text: str) -> None:
    assert problem_in(changed("bgp: true", f"bgp: {text}")).mend == "write true or false"


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("{asn: 65000}", "65000", "cloud.border_gateways.bgw1", "'65000' stands where a mapping is wanted"),
        ("{asn: 65000}", "", "cloud.border_gateways.bgw1", "nothing stands where a mapping is wanted"),
        ("timers: fast", "timers: [fast]", "timers", "a list is not 'production' or 'fast'"),
        ("bgw1: {asn: 65000}", "- bgw1", "cloud.border_gateways", "a list stands where a mapping is wanted"),
        ("vpnlab: 1 ", "vpnlab: 2 ", "vpnlab", "'2' is not 1"),
        ("10.0.0.0/16", "0.0.0.0/0", "cloud.vpcs.app.cidr", "0.0.0.0/0 holds addresses that no host can have"),
        ("10.0.0.0/16", "10.0.0.0", "cloud.vpcs.app.cidr", "'10.0.0.0' is not an IPv4 range"),
        ("172.16.1.0/24", "172.16.1.0/31", "idc.devices.hq-gw.lans.hq-lan.cidr", "172.16.1.0/31 has no room"),
        ("172.16.1.0/24", "172.16.1.10/24", "idc.devices.hq-gw.lans.hq-lan.cidr", "bits set behind its prefix"),
        ("address: 10.0.1.10}", "address: 10.0.01.10}", "cloud.vpcs.app.instances.vm1.address", "not an IPv4 address"),
        ("name: ha ", "# ", "", "the key 'name' is missing"),
    ],
)
def test_a_wrong_type_is_refused(old: str, new: str, where: str, what: str) -> None:
    problem = problem_in(changed(old, new))
    assert problem.where == where
    assert what in problem.what
    assert problem.line


SECRET = "hunter2-and-more-than-20"  # noqa: S105 - what must not be seen


@pytest.mark.parametrize(
    "line",
    [
        f"psk: {SECRET}",
        f"psk:{SECRET}",
        f"psk: [{SECRET}]",
        f"psk: {{{SECRET}: a}}",
        f"psk: {{{SECRET}: a, {SECRET}: b}}",
        f"psk: !{SECRET}",
        f"psk: !{SECRET}!x a",
        f"psk: *{SECRET}",
        f"psk: '{SECRET}",
        f'psk: "{SECRET}\\q"',
        f"psk: %{SECRET}",
        f"pks: {SECRET}",
        f"? psk:{SECRET}",
        f"psk: ok\n          psk: {SECRET}",
    ],
)
def test_a_pre_shared_key_is_in_no_message(line: str) -> None:
    problems = problems_in(with_parameter(line))
    assert not any("hunter2" in str(problem) + repr(problem) for problem in problems)


def test_a_tunnel_written_as_text_shows_no_key() -> None:
    problems = problems_in(changed("      tunnels: ", f"      tunnels: [psk={SECRET}]\n      x: "))
    assert not any("hunter2" in str(problem) for problem in problems)


def test_a_pre_shared_key_is_in_no_repr() -> None:
    spec = parse_topology(with_parameter("psk: hunter2"), "my.yaml")
    tunnels = spec.cloud.vpn_connections["hq"].tunnels
    assert tunnels is not None
    assert tunnels[0].psk is not None
    assert tunnels[0].psk.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(spec) + str(spec) + spec.model_dump_json()


def test_reading_a_topology_imports_pydantic_and_yaml_and_no_more() -> None:
    script = "import sys, lab.spec.load as load; load.reference(); print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"click", "rich", "scapy", "exabgp", "pyroute2", "vici", "cattrs", "jsonschema", "cryptography", "asyncio"}
    assert not heavy & set(done.stdout.split())


def test_every_field_says_what_it_is_for() -> None:
    assert all(field.description for field in Tunnel.model_fields.values())
    assert get_args(Tunnel.model_fields["admin"].annotation) == ("up", "down")

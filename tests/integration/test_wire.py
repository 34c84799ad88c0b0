"""Between the gateways there is only ESP of the reported SAs, and nothing inner in clear."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.ipsec import ESP, IPSecIntegrityError, SecurityAssociation
from scapy.layers.l2 import ARP
from scapy.utils import PcapReader

from lab.control.pings import ping_tunnels

pytestmark = [pytest.mark.lab, pytest.mark.every_substrate]

INNER = tuple(IPv4Network(text) for text in ("10.0.0.0/16", "172.16.1.0/24", "169.254.10.0/24"))
IKE_PORTS = {500, 4500}
ECHO_REQUEST, ECHO_REPLY = 8, 0
TCPDUMP = ["tcpdump", "-Z", "root", "-i", "any", "-Q", "in", "--immediate-mode", "-U", "-s", "0", "-w", "-"]
"""Immediate, else the kernel keeps packets back for a second and the last ones are lost at the end.
As root, for in a container it may not become another user."""


class Capture:
    """A tcpdump in a node that runs until it is read."""

    def __init__(self, lab, client, node):
        self._client = client
        self._out = bytearray()
        lab.start_exec(client, node, TCPDUMP)
        said = b""
        while b"listening on" not in said:
            said += b64decode(self._next().get("err", ""))

    def _next(self):
        message = self._client.receive(60)
        assert message is not None, "tcpdump is silent"
        self._out += b64decode(message.get("out", ""))
        return message

    def packets(self):
        """Everything captured so far; tcpdump ends."""
        self._client.send({"signal": "INT"})
        while "result" not in self._next():
            continue
        with PcapReader(io.BytesIO(bytes(self._out))) as reader:
            return list(reader)


@contextmanager
def capture(lab, node):
    with lab.session() as client:
        yield Capture(lab, client, node)


def kernel_states(lab, gateway):
    """The SAs in a gateway's kernel as scapy's, by SPI. Keys are never printed."""
    text = lab.exec(gateway, ["ip", "xfrm", "state"]).stdout.decode()
    found = {}
    for block in re.split(r"^(?=src )", text, flags=re.MULTILINE)[1:]:
        source, destination = re.match(r"src (\S+) dst (\S+)", block).groups()
        spi = int(re.search(r"spi 0x([0-9a-f]+)", block)[1], 16)
        integrity = bytes.fromhex(re.search(r"auth-trunc hmac\(sha256\) 0x([0-9a-f]+) 128", block)[1])
        cipher = bytes.fromhex(re.search(r"enc cbc\(aes\) 0x([0-9a-f]+)", block)[1])
        found[spi] = SecurityAssociation(
            ESP, spi=spi, crypt_algo="AES-CBC", crypt_key=cipher, auth_algo="SHA2-256-128", auth_key=integrity,
            tunnel_header=IP(src=source, dst=destination),
        )  # fmt: skip
    return found


def reported_spis(lab):
    """For each tunnel the SPIs that VICI reports: (cloud to customer, customer to cloud), the same at both ends."""
    spis = {}
    report = lab.status().report
    for pair in lab.plan.tunnels:
        cloud, customer = (
            next(t.child for t in report.node(node).report.endpoint.tunnels if t.name == pair.name)
            for node in (pair.cloud_node, pair.idc_node)
        )
        assert (cloud.spi_out, cloud.spi_in) == (customer.spi_in, customer.spi_out)
        spis[pair.name] = (int(cloud.spi_out, 16), int(cloud.spi_in, 16))
    return spis


def clear_inner_packets(packets):
    """The packets of a capture in which an inner address is seen in clear, in whatever header."""
    return [
        packet
        for packet in packets
        for header in _addresses(packet)
        if any(IPv4Address(address) in network for address in header for network in INNER)
    ]


def _addresses(packet):
    if ARP in packet:
        yield packet[ARP].psrc, packet[ARP].pdst
    layer = packet.getlayer(IP)
    while layer is not None:
        yield layer.src, layer.dst
        layer = layer.payload.getlayer(IP)


def echo(packet):
    """All that makes one echo packet different from another."""
    ip, icmp = packet[IP], packet[ICMP]
    return icmp.type, ip.src, ip.dst, icmp.id, icmp.seq, bytes(icmp.payload)


def foreign_packets(packets):
    """The IPv4 packets of a capture that are neither ESP nor IKE."""
    return [
        packet
        for packet in packets
        if IP in packet
        and ESP not in packet
        and not (UDP in packet and {packet[UDP].sport, packet[UDP].dport} & IKE_PORTS)
    ]


def test_pings_cross_the_internet_as_esp_of_the_reported_sas_and_nothing_inner_in_clear(running_lab):
    lab = running_lab
    with capture(lab, "internet") as captured, capture(lab, "vpc-app") as captured_in_clear:
        with lab.session() as client:
            answers = ping_tunnels(client, lab.plan, print)
        packets, in_clear = captured.packets(), captured_in_clear.packets()
    assert [answer.error for answer in answers] == [None] * len(lab.plan.tunnels)

    states = {**kernel_states(lab, "bgw1"), **kernel_states(lab, "hq-gw")}
    spis = reported_spis(lab)
    esp = [packet for packet in packets if ESP in packet]
    assert {packet[ESP].spi for packet in esp} == {spi for pair in spis.values() for spi in pair}

    decrypted = []
    for tunnel, (outward, homeward) in spis.items():
        seen = []
        for spi in (outward, homeward):
            of_this_sa = [packet for packet in esp if packet[ESP].spi == spi]
            numbers = [packet[ESP].seq for packet in of_this_sa]
            assert numbers == sorted(set(numbers)), f"{tunnel}: sequence numbers do not grow"
            for packet in of_this_sa:
                inner = states[spi].decrypt(packet[IP].copy(), verify=True)
                if ICMP in inner:
                    seen.append(echo(inner))
        assert {kind for kind, *_ in seen} == {ECHO_REQUEST, ECHO_REPLY}, f"{tunnel}: no ping in what its SAs carry"
        decrypted += seen
    assert sorted(decrypted) == sorted(echo(packet) for packet in in_clear if ICMP in packet)

    assert clear_inner_packets(packets) == []
    assert foreign_packets(packets) == []


def test_a_packet_that_was_changed_on_the_way_does_not_verify(running_lab):
    """The proof above can fail: integrity is really checked."""
    lab = running_lab
    with capture(lab, "internet") as captured:
        with lab.session() as client:
            ping_tunnels(client, lab.plan, print)
        packets = captured.packets()
    packet = next(packet[IP].copy() for packet in packets if ESP in packet)
    changed = bytes(packet)[:-1] + bytes([bytes(packet)[-1] ^ 1])
    with pytest.raises(IPSecIntegrityError):
        kernel_states(lab, "bgw1")[packet[ESP].spi].decrypt(IP(changed), verify=True)


def test_the_same_search_finds_inner_addresses_inside_the_vpc(running_lab):
    """The proof above can fail: where packets are in clear the search sees them."""
    lab = running_lab
    with capture(lab, "vpc-app") as captured:
        with lab.session() as client:
            ping_tunnels(client, lab.plan, print)
        packets = captured.packets()
    assert clear_inner_packets(packets)
    assert foreign_packets(packets)

"""Labs that start from one snapshot share no random number."""

from __future__ import annotations

import io
import time
from base64 import b64decode
from itertools import combinations

import pytest
from scapy.contrib.ikev2 import IKEv2, IKEv2_KE, IKEv2_Nonce
from scapy.utils import PcapReader

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(600),
]

STARTS = 5
KERNEL = "cat /proc/sys/kernel/random/uuid; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'"


def from_the_kernel(lab):
    """os.urandom and UUIDs come from here."""
    uuid, bits = lab.exec(None, ["sh", "-c", KERNEL]).stdout.decode().split()
    return {f"uuid {uuid}", f"urandom {bits}"}


def of_the_sas(lab):
    """The SPIs of all IKE and child SAs."""
    tunnels = [t for node in lab.status().report.nodes if node.report.endpoint for t in node.report.endpoint.tunnels]
    return {
        *(f"IKE SPI {spi}" for t in tunnels for spi in (t.ike.spi_initiator, t.ike.spi_responder)),
        *(f"ESP SPI {spi}" for t in tunnels for spi in (t.child.spi_in, t.child.spi_out)),
    }


def of_a_negotiation(lab):
    """Nonces and key exchange values of an IKE_SA_INIT, caught on the wire right after the start."""
    capture = ["tcpdump", "-i", "any", "-Q", "in", "--immediate-mode", "-U", "-s", "0", "-w", "-", "udp port 500"]
    uri = f"unix:///run/vpnlab/{lab.name}/bgw1/vici"
    pcap, said = bytearray(), b""
    since = lab.last_event()
    with lab.session() as client:
        lab.start_exec(client, "internet", capture)
        while b"listening on" not in said:
            message = client.receive(60)
            said += b64decode(message.get("err", ""))
            pcap += b64decode(message.get("out", ""))
        lab.exec("bgw1", ["swanctl", "--terminate", "--ike", "hq-1", "--force", "--uri", uri])
        lab.wait_for_event(
            lambda e: (e.node, e.kind, e.subject) == ("bgw1", "tunnel-up", "hq-1"), "tunnel", since=since
        )
        client.send({"signal": "INT"})
        while "result" not in (message := client.receive(60)):
            pcap += b64decode(message.get("out", ""))
    with PcapReader(io.BytesIO(bytes(pcap))) as reader:
        packets = [packet[IKEv2] for packet in reader if IKEv2 in packet and packet[IKEv2].exch_type == 34]
    values = {f"KE {bytes(p[IKEv2_KE].ke).hex()}" for p in packets if IKEv2_KE in p}
    nonces = {f"nonce {bytes(p[IKEv2_Nonce].nonce).hex()}" for p in packets if IKEv2_Nonce in p}
    assert len(values) >= 2, "no key exchange of both sides was caught"
    assert len(nonces) >= 2, "no nonces of both sides were caught"
    return values | nonces


@pytest.mark.slow
def test_five_starts_from_one_snapshot_share_no_random_number(lab_of_module, record_property):
    lab, seen = lab_of_module, []
    for number in range(STARTS):
        lab.down()
        lab.up()
        if lab.substrate != "microvm":
            pytest.skip(f"labs on {lab.substrate} start from no snapshot")
        assert (lab.directory / "snapshot").resolve().name, "the lab was not started from a snapshot"
        clock = float(lab.exec(None, ["date", "+%s.%N"]).stdout)
        assert abs(clock - time.time()) < 5, f"start {number}: the clock is off"
        seen.append(from_the_kernel(lab) | of_the_sas(lab) | of_a_negotiation(lab))
    record_property("values_per_start", [len(values) for values in seen])
    for (first, one), (second, other) in combinations(enumerate(seen), 2):
        assert not one & other, f"starts {first} and {second} share {one & other}"


def test_two_labs_at_once_share_no_random_number(running_lab, ready_lab):
    assert running_lab.directory != ready_lab.directory
    assert not (from_the_kernel(running_lab) | of_the_sas(running_lab)) & (
        from_the_kernel(ready_lab) | of_the_sas(ready_lab)
    )

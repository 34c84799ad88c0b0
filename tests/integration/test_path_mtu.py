"""Large packets through the tunnels: what fits, who says what does not, and what TCP makes of it."""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import ExitStack, contextmanager

import pytest
from path_mtu import forget, ping
from replanning import changed, planned

from lab.plan.mtu import inner_mtu

pytestmark = pytest.mark.lab

INNER_MTU = inner_mtu(1500, "aes128", "sha256", udp=False)  # 1438
MSS = INNER_MTU - 40

ENDS = [("vm1", "172.16.1.10"), ("hq-host", "10.0.1.10")]


@pytest.mark.parametrize(("node", "target"), ENDS)
def test_a_packet_that_may_not_be_fragmented_passes_up_to_the_inner_mtu(running_lab, node, target):
    forget(running_lab, node)
    assert ping(running_lab, node, target, INNER_MTU).returncode == 0


@pytest.mark.parametrize(("node", "target"), ENDS)
def test_a_larger_one_is_answered_with_the_inner_mtu(running_lab, node, target):
    forget(running_lab, node)
    said = ping(running_lab, node, target, INNER_MTU + 1).stdout
    assert b"Frag needed and DF set (mtu = %d)" % INNER_MTU in said
    learned = running_lab.exec(node, ["ip", "route", "get", target]).stdout
    assert b" mtu %d" % INNER_MTU in learned
    forget(running_lab, node)


NARROW = 1400


@contextmanager
def narrow_paths(lab):
    """The paths from the internet to the customer's device carry NARROW bytes for a while."""
    ends = [(link.a, link.b) for link in lab.plan.links] + [(link.b, link.a) for link in lab.plan.links]
    ports = [end.interface for end, other in ends if (end.node, other.node) == ("internet", "hq-gw")]
    try:
        for port in ports:
            assert lab.exec("internet", ["ip", "link", "set", port, "mtu", str(NARROW)]).returncode == 0
        yield
    finally:
        for port in ports:
            assert lab.exec("internet", ["ip", "link", "set", port, "mtu", "1500"]).returncode == 0
        for node in ("bgw1", "vm1"):
            forget(lab, node)


def test_a_narrow_path_outside_is_found_and_told_inside(running_lab):
    fits = inner_mtu(NARROW, "aes128", "sha256", udp=False)
    with narrow_paths(running_lab):
        said = running_lab.exec(
            "vm1", ["ping", "-n", "-c", "4", "-i", "0.3", "-W", "5", "-M", "do", "-s", "1400", "172.16.1.10"]
        ).stdout
        # The first one is lost on its way and tells the gateway; the gateway tells the sender of the next one.
        assert b"Frag needed and DF set (mtu = %d)" % fits in said
        assert ping(running_lab, "vm1", "172.16.1.10", fits).returncode == 0
    assert ping(running_lab, "vm1", "172.16.1.10", INNER_MTU).returncode == 0


SYN, SYN_ACK = "tcp[tcpflags] == tcp-syn", "tcp[tcpflags] == tcp-syn|tcp-ack"


class Capture:
    """tcpdump on a node's eth0 until it has seen one packet; made once it listens."""

    def __init__(self, lab, client, node, what):
        self._client = client
        lab.start_exec(client, node, ["tcpdump", "-n", "-v", "--immediate-mode", "-i", "eth0", "-c", "1", what])
        while b"listening on" not in b64decode(self._next().get("err", "")):
            continue

    def _next(self):
        message = self._client.receive(60)
        assert message is not None, "tcpdump is silent"
        return message

    def segment_size(self):
        """The MSS that the packet names."""
        text = b""
        while "result" not in (message := self._next()):
            text += b64decode(message.get("out", ""))
        return int(re.search(rb"mss (\d+)", text)[1])


@pytest.mark.parametrize(("client", "address", "server"), [(*ENDS[0], "hq-host"), (*ENDS[1], "vm1")])
def test_both_ends_of_a_tcp_connection_are_told_a_segment_size_that_fits(running_lab, client, address, server):
    lab = running_lab
    with ExitStack() as stack:

        def capture(node, what):
            return Capture(lab, stack.enter_context(lab.session()), node, what)

        sent, arrived, answered = capture(client, SYN), capture(server, SYN), capture(client, SYN_ACK)
        serving = stack.enter_context(lab.session())
        lab.start_exec(serving, server, ["socat", "-u", "TCP-LISTEN:5001,reuseaddr", "STDOUT"])
        sending = "head -c 100000 /dev/zero | socat -u - TCP:$0:5001,retry=50,interval=0.2"
        done = lab.exec(client, ["sh", "-c", sending, address])
        assert done.returncode == 0, done.stderr
        received = 0
        while "result" not in (message := serving.receive(60)):
            received += len(b64decode(message.get("out", "")))
        assert received == 100_000
        assert (sent.segment_size(), arrived.segment_size(), answered.segment_size()) == (1460, MSS, MSS)


def test_a_node_that_loses_its_last_tunnel_keeps_neither_its_interface_nor_the_clamp(running_lab):
    lab = running_lab
    with planned(lab, changed(lab.plan, "hq-gw", endpoint=None, speaker=None)):
        report = lab.wait_for(lambda report: report.node("hq-gw").report.endpoint is None, "a node without tunnels")
        assert {port.name for port in report.node("hq-gw").report.interfaces} == {"wan1", "wan2", "lan1"}
        assert b"vpnlab_mss" not in lab.exec("hq-gw", ["nft", "list", "tables"]).stdout
    assert b"vpnlab_mss" in lab.exec("hq-gw", ["nft", "list", "tables"]).stdout

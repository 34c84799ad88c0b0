"""Rekeying IKE and child SAs under load loses nothing, and BGP does not notice."""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import ExitStack
from dataclasses import replace
from itertools import product

import pytest
from rekeying import rekey
from replanning import changed, planned

from lab.control.readiness import lacks

pytestmark = [pytest.mark.lab, pytest.mark.every_substrate]

RATE = 100
"""Packets a second."""
DURATION_S = 12
NOTHING_LOST = (RATE * DURATION_S, RATE * DURATION_S, [])
"""What a flow is to say: sent, received, and no ICMP error."""
SUMMARY = re.compile(rb"(\d+) packets transmitted, (\d+) received")


class Flow:
    """A ping at a fixed rate, in a session of its own."""

    def __init__(self, lab, client, node, *arguments):
        self._client = client
        self._out = bytearray()
        count = RATE * DURATION_S
        lab.start_exec(client, node, ["ping", "-n", "-i", str(1 / RATE), "-c", str(count), "-w", "300", *arguments])
        while b"bytes from" not in self._out:  # it runs
            self._next()

    def _next(self):
        message = self._client.receive(120)
        assert message is not None, "the ping is silent"
        self._out += b64decode(message.get("out", ""))
        return message

    def result(self):
        """(sent, received, what else it was told): with `-w` a ping ends at the first ICMP error."""
        while "result" not in self._next():
            continue
        said = bytes(self._out)
        sent, received = SUMMARY.search(said).groups()
        return int(sent), int(received), [line for line in said.splitlines() if line.startswith(b"From ")]


def sas(report):
    """By gateway and tunnel the SPIs of the IKE SA and of the child SA; of those tunnels that have both."""
    return {
        (node.name, tunnel.name): (tunnel.ike.spi_initiator, tunnel.child.spi_in)
        for node in report.nodes
        if node.report.endpoint
        for tunnel in node.report.endpoint.tunnels
        if tunnel.ike and tunnel.child
    }


def sessions(lab):
    return {
        (node.name, session.name): (session.state, session.since)
        for node in lab.status().report.nodes
        if node.report.speaker
        for session in node.report.speaker.sessions
    }


@pytest.mark.timeout(600)
def test_rekeys_of_all_sas_lose_no_packet_at_100_a_second(running_lab):
    lab = running_lab
    before, sessions_before, since = sas(lab.status().report), sessions(lab), lab.last_event()
    with ExitStack() as stack:

        def flow(node, *arguments):
            return Flow(lab, stack.enter_context(lab.session()), node, *arguments)

        flows = [
            flow("vm1", "172.16.1.10"),
            *(flow("bgw1", "-I", f"xfrm{n}", f"169.254.10.{4 * n - 3}") for n in (1, 2)),
        ]
        for gateway, tunnel, kind in product(("bgw1", "hq-gw"), ("hq-1", "hq-2"), ("child", "ike")):
            asked = lab.last_event()
            rekey(lab, gateway, kind, tunnel)
            done = (gateway, f"{kind}-rekeyed", tunnel)  # two at a time may collide, which is not what is tested here
            lab.wait_for_event(lambda e, done=done: (e.node, e.kind, e.subject) == done, str(done), since=asked)
        results = [flow.result() for flow in flows]
    after = sas(lab.status().report)
    for end, (ike_spi, child_spi) in before.items():
        assert after[end][0] != ike_spi, f"the IKE SA of {end} was not rekeyed"
        assert after[end][1] != child_spi, f"the child SA of {end} was not rekeyed"
    assert sessions(lab) == sessions_before
    kinds = [event.kind for event in lab.events(since)]
    assert "child-rekeyed" in kinds
    assert "ike-rekeyed" in kinds
    assert not {"tunnel-down", "bgp-lost", "daemon-died"} & set(kinds)
    assert results == [NOTHING_LOST] * 3


PACKETS = 1000
"""Lifetime of a child SA in packets. Rekeying begins a tenth to two tenths before: at 100 packets a second after eight
or nine seconds, with at least one second to be done."""


def with_packet_lifetime(plan, tunnel):
    """The plan with that lifetime for a tunnel, at both ends."""
    for node in ("bgw1", "hq-gw"):
        endpoint = plan.node(node).endpoint
        tunnels = tuple(replace(t, child_lifetime_packets=PACKETS) if t.name == tunnel else t for t in endpoint.tunnels)
        plan = changed(plan, node, endpoint=replace(endpoint, tunnels=tunnels))
    return plan


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_sa_that_has_carried_its_packets_is_rekeyed_by_itself_without_loss(running_lab):
    lab = running_lab
    before = sas(lab.status().report)

    def negotiated_anew(report):
        found = sas(report)
        return all(found.get(end, before[end]) != before[end] for end in (("bgw1", "hq-2"), ("hq-gw", "hq-2")))

    with planned(lab, with_packet_lifetime(lab.plan, "hq-2")):
        lab.status()  # asked after the plan was given: who answers has taken it
        report = lab.wait_for(
            lambda report: negotiated_anew(report) and not lacks(lab.plan, report), "tunnel hq-2 negotiated anew"
        )
        anew, since = sas(report), lab.last_event()
        assert anew["bgw1", "hq-1"] == before["bgw1", "hq-1"], "the other tunnel was touched"
        with lab.session() as client:
            assert Flow(lab, client, "bgw1", "-I", "xfrm2", "169.254.10.5").result() == NOTHING_LOST
        rekeyed = [e for e in lab.events(since) if (e.kind, e.subject) == ("child-rekeyed", "hq-2")]
        assert {event.node for event in rekeyed} == {"bgw1", "hq-gw"}
        assert sas(lab.status().report)["bgw1", "hq-2"][1] != anew["bgw1", "hq-2"][1]
        assert not {"tunnel-down", "bgp-lost"} & {event.kind for event in lab.events(since)}

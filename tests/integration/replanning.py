"""A running lab under another plan for a while, and what "ready again" means."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network

from lab.control import record
from lab.control.readiness import lacks
from lab.plan.codec import to_json

VPC, LAN = IPv4Network("10.0.1.0/24"), IPv4Network("172.16.1.0/24")


def next_hops(report, node, prefix):
    """The interfaces over which BGP's route to a prefix leads in a node's kernel."""
    routes = report.node(node).report.routes
    return {
        hop.interface
        for route in routes
        if (route.destination, route.origin) == (prefix, "bgp")
        for hop in route.next_hops
    }


def both_have(*interfaces):
    return lambda report: next_hops(report, "bgw1", LAN) == next_hops(report, "hq-gw", VPC) == set(interfaces)


def changed(plan, node, **changes):
    """The plan with one node changed."""
    return replace(plan, nodes=tuple(replace(n, **changes) if n.name == node else n for n in plan.nodes))


@contextmanager
def planned(lab, plan):
    """Another plan for the lab; its own again afterwards, and the lab ready with two next hops at both ends."""
    keys = record.read_keys(lab.name)
    try:
        lab.call("apply", plan=to_json(plan), keys=keys)
        yield
    finally:
        lab.call("apply", plan=to_json(lab.plan), keys=keys)
        await_ecmp(lab)


def states(report, tunnel):
    """What each end says of a tunnel."""
    endpoints = [node.report.endpoint for node in report.nodes if node.report and node.report.endpoint]
    return [there.state for endpoint in endpoints for there in endpoint.tunnels if there.name == tunnel]


def given_up(*tunnels):
    """Whether neither end counts on any of the tunnels any more. A cut is undone only then.

    Dead peer detection that began in the cut may give a tunnel up just after its path is back, with its session
    established and its routes in place; it is negotiated anew in the next test then.
    """

    def holds(report):
        found = [states(report, tunnel) for tunnel in tunnels]
        return all(len(ends) == 2 and "up" not in ends for ends in found)

    return holds


def await_ecmp(lab):
    ready = both_have("xfrm1", "xfrm2")
    lab.wait_for(lambda report: not lacks(lab.plan, report) and ready(report), "ECMP at both ends", within_s=60)

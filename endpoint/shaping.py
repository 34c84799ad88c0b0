"""The bandwidth of tunnels, by difference: a token bucket for what goes into an interface, one for what comes out.

What comes out passes an interface of its own (an ifb) on its way, for only what is sent can wait. Either queue is fair
between flows, so that a tunnel's BGP session survives a flow that sends more than fits.
"""

from __future__ import annotations

from collections.abc import Mapping

from endpoint import qdiscs
from endpoint.interfaces import Change, carry_out
from endpoint.links import add_ifb, delete_link, links
from endpoint.rtnetlink import Netlink

BEHIND = "-in"
"""What the name of an interface is followed by in that of the one that its input passes: "xfrm1-in"."""


def apply_shapers(wanted: Mapping[str, int]) -> None:
    """Let so many bit/s pass in each direction by each interface that is named, and whatever comes by all others.

    A changed rate keeps what is waiting. Raises EndpointError.
    """
    with Netlink() as kernel:
        ifbs = {name + BEHIND for name in wanted}
        present = _indexes(kernel)
        changes: list[Change] = [(f"interface {name}", add_ifb(name)) for name in ifbs - present.keys()]
        changes += [
            (f"no interface {name}", delete_link(index))
            for name, index in present.items()
            if name.endswith(BEHIND) and name not in ifbs
        ]
        carry_out(kernel, changes)
        fresh = ifbs - present.keys()
        present = _indexes(kernel)
        carry_out(kernel, _rates(kernel, {present[name]: bps for name, bps in _both_ways(wanted).items()}))
        ways = {present[name]: present[name + BEHIND] for name in wanted}
        carry_out(kernel, _redirections(kernel, ways, {present[name] for name in fresh}))


def _indexes(kernel: Netlink) -> dict[str, int]:
    return {link.name: link.index for link in links(kernel)}


def _both_ways(wanted: Mapping[str, int]) -> dict[str, int]:
    return {**wanted, **{name + BEHIND: bps for name, bps in wanted.items()}}


def _rates(kernel: Netlink, wanted: Mapping[int, int]) -> list[Change]:
    present = qdiscs.token_buckets(kernel)
    changes = [
        (f"no rate of interface {index}", qdiscs.delete_token_bucket(index)) for index in present.keys() - wanted.keys()
    ]
    for index, bps in wanted.items():
        if present.get(index) != bps:
            changes.append((f"{bps} bit/s of interface {index}", qdiscs.set_token_bucket(index, bps)))
        if index not in present:
            changes.append((f"fair queues of interface {index}", qdiscs.set_fair_queues(index, bps)))
    return changes


def _redirections(kernel: Netlink, wanted: Mapping[int, int], fresh: set[int]) -> list[Change]:
    """The changes that lead the input of interfaces through others; `fresh` ones are led to by nothing yet."""
    present = qdiscs.redirected(kernel)
    unfit = {index for index in present if index not in wanted or wanted[index] in fresh}
    changes = [(f"input of interface {index}", qdiscs.delete_ingress(index)) for index in unfit]
    for index in wanted.keys() - (present - unfit):
        changes.append((f"input of interface {index}", qdiscs.add_ingress(index)))
        changes.append((f"input of interface {index}", qdiscs.redirect(index, wanted[index])))
    return changes

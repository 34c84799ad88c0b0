"""The rate of what goes into tunnels: a token bucket (tbf) with fair queues (fq_codel) on an interface, by difference.

The queue is fair between flows, so that a tunnel's BGP session survives a flow that sends more than fits.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

from endpoint.bandwidth import burst_bytes
from endpoint.interfaces import Change, carry_out
from endpoint.rtnetlink import NLM_F_CREATE, NLM_F_REPLACE, Netlink, attribute, attributes

# linux/rtnetlink.h, linux/pkt_sched.h
_RTM_NEWQDISC, _RTM_DELQDISC, _RTM_GETQDISC = 36, 37, 38
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_TBF_PARMS, _TCA_TBF_BURST, _TCA_FQ_CODEL_LIMIT = 1, 6, 2
_TCMSG = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_RATE = struct.Struct("=BBHhHI")  # cell log, link layer, overhead, cell align, least packet, bytes a second
_TBF = struct.Struct("=12s12sIII")  # rate, peak rate, limit in bytes, buffer, MTU
_U32 = struct.Struct("=I")
_ROOT, _HANDLE, _CLASS, _ETHERNET = 0xFFFFFFFF, 0x10000, 0x10001, 1

QUEUE_S = 0.2
"""Seconds that a packet waits at most (chosen: what TCP needs to fill the rate over a long way, and no more)."""
LEAST_QUEUE = 64
"""Packets (chosen: at 1 Mbit/s small ones find a place, too)."""
LARGE_PACKET = 1_450  # bytes; the cloud's largest inner MTU


def apply_shapers(wanted: Mapping[str, int]) -> None:
    """Let at most so many bit/s leave by each interface that is named, and whatever comes by all others.

    A changed rate keeps what is waiting. Shapers of other makers than this are replaced. Raises EndpointError.
    """
    rates = {socket.if_nametoindex(name): bps // 8 for name, bps in wanted.items()}
    with Netlink() as kernel:
        present = _present(kernel)
        changes: list[Change] = [
            (f"shaper off interface {index}", (_RTM_DELQDISC, 0, _TCMSG.pack(0, index, 0, _ROOT, 0)))
            for index in present.keys() - rates.keys()
        ]
        for index, rate in rates.items():
            if present.get(index) == rate:
                continue
            what = f"shaper of {8 * rate} bit/s on interface {index}"
            changes.append((what, (_RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, _token_bucket(index, rate))))
            if index not in present:
                changes.append((what, (_RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, _fair_queues(index, rate))))
        carry_out(kernel, changes)


def _present(kernel: Netlink) -> dict[int, int]:
    """The rates of the token buckets of this namespace in bytes a second, by the interface's index."""
    found = {}
    for body in kernel.dump(_RTM_GETQDISC, _TCMSG.pack(0, 0, 0, 0, 0)):
        _, index, _, parent, _ = _TCMSG.unpack_from(body)
        fields = attributes(body[_TCMSG.size :])
        if parent == _ROOT and fields[_TCA_KIND] == b"tbf\0":
            rate, *_ = _TBF.unpack_from(attributes(fields[_TCA_OPTIONS])[_TCA_TBF_PARMS])
            found[index] = _RATE.unpack(rate)[-1]
    return found


def _token_bucket(index: int, rate: int) -> bytes:
    burst = burst_bytes(8 * rate)
    parameters = _TBF.pack(_RATE.pack(0, _ETHERNET, 0, 0, 0, rate), b"", burst + LARGE_PACKET, 0, 0)
    options = attribute(_TCA_TBF_PARMS, parameters) + attribute(_TCA_TBF_BURST, _U32.pack(burst))
    return _qdisc(index, _HANDLE, _ROOT, b"tbf\0", options)


def _fair_queues(index: int, rate: int) -> bytes:
    packets = max(LEAST_QUEUE, round(rate * QUEUE_S / LARGE_PACKET))
    return _qdisc(index, 0, _CLASS, b"fq_codel\0", attribute(_TCA_FQ_CODEL_LIMIT, _U32.pack(packets)))


def _qdisc(index: int, handle: int, parent: int, kind: bytes, options: bytes) -> bytes:
    header = _TCMSG.pack(socket.AF_UNSPEC, index, handle, parent, 0)
    return header + attribute(_TCA_KIND, kind) + attribute(_TCA_OPTIONS, options)

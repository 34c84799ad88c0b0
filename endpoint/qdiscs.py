"""Traffic control as netlink messages: token buckets with fair queues, and input that is led elsewhere."""

from __future__ import annotations

import socket
import struct

from endpoint.bandwidth import burst_bytes, queue_packets
from endpoint.links import Request
from endpoint.rtnetlink import NLM_F_CREATE, NLM_F_REPLACE, Netlink, attribute, attributes

# linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h
_RTM_NEWQDISC, _RTM_DELQDISC, _RTM_GETQDISC, _RTM_NEWTFILTER = 36, 37, 38, 44
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_TBF_PARMS, _TCA_TBF_BURST, _TCA_FQ_CODEL_LIMIT = 1, 6, 2
_TCA_MATCHALL_ACT, _TCA_ACT_KIND, _TCA_ACT_OPTIONS, _TCA_MIRRED_PARMS = 2, 1, 2, 2
_TC_ACT_STOLEN, _TCA_EGRESS_REDIR, _ETH_P_ALL = 4, 1, 3
_TCMSG = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_RATE = struct.Struct("=BBHhHI")  # cell log, link layer, overhead, cell align, least packet, bytes a second
_TBF = struct.Struct("=12s12sIII")  # rate, peak rate, limit in bytes, buffer, MTU
_MIRRED = struct.Struct("=IIiiiiI")  # index, capabilities, action, references, bindings, what, to which interface
_U32 = struct.Struct("=I")
_ROOT, _HANDLE, _CLASS, _INGRESS, _INGRESS_HANDLE = 0xFFFFFFFF, 0x10000, 0x10001, 0xFFFFFFF1, 0xFFFF0000
_ETHERNET = 1  # the link layer that needs no table of packet sizes


def token_buckets(kernel: Netlink) -> dict[int, int]:
    """The rates in bit/s of the interfaces that have a token bucket, by index."""
    found = {}
    for index, parent, fields in _qdiscs(kernel):
        if parent == _ROOT and fields[_TCA_KIND] == b"tbf\0":
            rate, *_ = _TBF.unpack_from(attributes(fields[_TCA_OPTIONS])[_TCA_TBF_PARMS])
            found[index] = 8 * int(_RATE.unpack(rate)[-1])
    return found


def redirected(kernel: Netlink) -> frozenset[int]:
    """The interfaces whose input is led elsewhere, by index."""
    return frozenset(index for index, parent, _ in _qdiscs(kernel) if parent == _INGRESS)


def set_token_bucket(index: int, bps: int) -> Request:
    """Let so many bit/s out; an ifb counts 14 bytes more of each packet. Of a bucket that is there the rate changes."""
    burst = burst_bytes(bps)
    parameters = _TBF.pack(_RATE.pack(0, _ETHERNET, 0, 0, 0, bps // 8), b"", burst, 0, 0)
    options = attribute(_TCA_TBF_PARMS, parameters) + attribute(_TCA_TBF_BURST, _U32.pack(burst))
    return _set_qdisc(index, _HANDLE, _ROOT, b"tbf\0", options)


def set_fair_queues(index: int, bps: int) -> Request:
    """What waits for a token bucket waits in a queue for each flow."""
    limit = attribute(_TCA_FQ_CODEL_LIMIT, _U32.pack(queue_packets(bps)))
    return _set_qdisc(index, 0, _CLASS, b"fq_codel\0", limit)


def delete_token_bucket(index: int) -> Request:
    """Let out what comes."""
    return _RTM_DELQDISC, 0, _TCMSG.pack(0, index, 0, _ROOT, 0)


def add_ingress(index: int) -> Request:
    """Have a place for the rule that leads an interface's input elsewhere."""
    return _set_qdisc(index, _INGRESS_HANDLE, _INGRESS, b"ingress\0", b"")


def delete_ingress(index: int) -> Request:
    """Take an interface's input as it comes."""
    return _RTM_DELQDISC, 0, _TCMSG.pack(0, index, _INGRESS_HANDLE, _INGRESS, 0)


def redirect(index: int, to: int) -> Request:
    """Lead all input of an interface through another one, an ifb, after which it comes in as before."""
    parameters = _MIRRED.pack(0, 0, _TC_ACT_STOLEN, 0, 0, _TCA_EGRESS_REDIR, to)
    action = attribute(_TCA_ACT_KIND, b"mirred\0") + attribute(
        _TCA_ACT_OPTIONS, attribute(_TCA_MIRRED_PARMS, parameters)
    )
    options = attribute(_TCA_MATCHALL_ACT, attribute(1, action))
    header = _TCMSG.pack(socket.AF_UNSPEC, index, 0, _INGRESS_HANDLE, 1 << 16 | socket.htons(_ETH_P_ALL))
    message = header + attribute(_TCA_KIND, b"matchall\0") + attribute(_TCA_OPTIONS, options)
    return _RTM_NEWTFILTER, NLM_F_CREATE, message


def _qdiscs(kernel: Netlink) -> list[tuple[int, int, dict[int, bytes]]]:
    """Index, parent and attributes of the queueing disciplines of this namespace."""
    found = []
    for body in kernel.dump(_RTM_GETQDISC, _TCMSG.pack(0, 0, 0, 0, 0)):
        _, index, _, parent, _ = _TCMSG.unpack_from(body)
        found.append((index, parent, attributes(body[_TCMSG.size :])))
    return found


def _set_qdisc(index: int, handle: int, parent: int, kind: bytes, options: bytes) -> Request:
    header = _TCMSG.pack(socket.AF_UNSPEC, index, handle, parent, 0)
    message = header + attribute(_TCA_KIND, kind) + attribute(_TCA_OPTIONS, options)
    return _RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, message

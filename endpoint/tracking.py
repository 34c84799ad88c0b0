"""Connection tracking in this namespace: what it has confirmed is never translated in another way."""

from __future__ import annotations

import os
import struct

from endpoint.errors import EndpointError
from endpoint.rtnetlink import Netlink

# linux/netlink.h, netfilter/nfnetlink.h, netfilter/nfnetlink_conntrack.h
_NETLINK_NETFILTER, _NFNL_SUBSYS_CTNETLINK, _IPCTNL_MSG_CT_DELETE = 12, 1, 2
_NFGENMSG = struct.Struct("!BBH")  # family, version, resource; of all families where the version is 0


def forget_flows() -> None:
    """Forget all flows, so that what comes next of each is translated by the rules as they are now.

    A negotiation whose first packet came before the rules would else go untranslated for as long as it is tried, for
    all its packets are one flow. Raises EndpointError.
    """
    with Netlink(_NETLINK_NETFILTER) as kernel:
        (errno,) = kernel.request([(_NFNL_SUBSYS_CTNETLINK << 8 | _IPCTNL_MSG_CT_DELETE, 0, _NFGENMSG.pack(0, 0, 0))])
    if errno:
        raise EndpointError(
            f"connection tracking does not forget its flows: {os.strerror(errno)}",
            mend="load the kernel module nf_conntrack_netlink",
        )

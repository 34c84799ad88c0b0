"""Connection tracking in this namespace: what it has confirmed is never translated in another way."""

from __future__ import annotations

import os

from endpoint.errors import EndpointError
from endpoint.nfnetlink import ANY_FAMILY, NETFILTER, message_type
from endpoint.rtnetlink import Netlink

# linux/netfilter/nfnetlink.h, netfilter/nfnetlink_conntrack.h
_NFNL_SUBSYS_CTNETLINK, _IPCTNL_MSG_CT_DELETE = 1, 2


def forget_flows() -> None:
    """Forget all flows, so that what comes next of each is translated by the rules as they are now.

    A negotiation whose first packet came before the rules would else go untranslated for as long as it is tried, for
    all its packets are one flow. Raises EndpointError.
    """
    with Netlink(NETFILTER) as kernel:
        (errno,) = kernel.request([(message_type(_NFNL_SUBSYS_CTNETLINK, _IPCTNL_MSG_CT_DELETE), 0, ANY_FAMILY)])
    if errno:
        raise EndpointError(
            f"connection tracking does not forget its flows: {os.strerror(errno)}",
            mend="load the kernel module nf_conntrack_netlink",
        )

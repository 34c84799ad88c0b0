"""Everything that ExaBGP needs, imported and used once before it is forked."""

from __future__ import annotations

import asyncio
import codecs
import uuid
from ipaddress import IPv4Address, IPv4Network

import bgp.daemon  # noqa: F401 - before ExaBGP: it says that there is no file of settings
from bgp.configuration import announce, render
from bgp.plan import NeighborPlan, SpeakerPlan

# isort: split
from exabgp.bgp.message import Update
from exabgp.bgp.message.direction import Direction
from exabgp.bgp.message.open import ASN, HoldTime, Open, RouterID, Version
from exabgp.bgp.message.open.capability import Capabilities, Negotiated
from exabgp.configuration.configuration import Configuration
from exabgp.environment import getenv
from exabgp.logger import log
from exabgp.reactor.api import API
from exabgp.reactor.api.response import Response
from exabgp.rib import RIB
from exabgp.version import json as json_version

SAMPLE_NEIGHBOR = NeighborPlan(
    name="sample",
    interface="sample",
    local_address=IPv4Address("192.0.2.1"),
    peer_address=IPv4Address("192.0.2.2"),
    peer_as=65010,
    hold_time_s=30,
)
SAMPLE = SpeakerPlan(local_as=65000, router_id=IPv4Address("192.0.2.1"), neighbors=(SAMPLE_NEIGHBOR,))


def preload() -> None:
    """Make this process one from which ExaBGP starts in milliseconds.

    The imports above are most of it. What remains is done the first time only in a process, and so
    done here: a configuration is parsed, an UPDATE built, read and written as JSON. May be called twice.
    """
    env = getenv()
    env["log"]["destination"], env["log"]["level"] = "stderr", "CRITICAL"
    log.init(env)
    configuration = Configuration([render(SAMPLE, SAMPLE.neighbors)], text=True)
    if not configuration.reload():
        raise RuntimeError(f"ExaBGP refuses the sample configuration: {configuration.error}")
    (neighbor,) = configuration.neighbors.values()
    capabilities = Capabilities().new(neighbor, False)
    sent, received = (
        Open(Version(4), ASN(asn), HoldTime(30), RouterID(router_id), capabilities)
        for asn, router_id in ((65000, "192.0.2.1"), (65010, "192.0.2.2"))
    )
    negotiated = Negotiated(neighbor)
    negotiated.sent(sent)
    negotiated.received(received)
    (command,) = announce(SAMPLE, SAMPLE_NEIGHBOR, (IPv4Network("198.51.100.0/24"),))
    words = command.split(" ", 2)[2]
    for change in API(None).api_attributes(words, []):
        own = neighbor.remove_self(change)
        for message in Update([own.nlri], own.attributes).messages(negotiated):
            update = Update.unpack_message(message[19:], Direction.IN, negotiated)
            Response.JSON(json_version).update(neighbor, "receive", update, None, b"", b"")
    asyncio.run(_nothing())
    uuid.uuid1()
    codecs.lookup("ascii")
    RIB._cache.clear()  # noqa: SLF001 - else the sample's table would stay for ever


async def _nothing() -> None:
    """ExaBGP runs its API commands in an event loop that it makes for each."""

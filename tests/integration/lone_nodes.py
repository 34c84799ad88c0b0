"""All nodes of a lab without a lab process: each a process of its own in a namespace, given no more than its bundle.

Runs where nodes can run, in a guest too, as `python3 -m lone_nodes`; a line of JSON comes in: {"lab", "links",
"bundles", "keys"}. What the nodes say goes out as "NODE TEXT"; at the end of the input they are ended, and what is
left of them goes out as "left NODE [...]".
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

from bgp.preload import preload
from endpoint.routes import BGP, STATIC, routes
from endpoint.xfrm import observe_xfrm
from lab.plan.bundle import Bundle
from lab.plan.codec import from_json
from lab.plan.model import LinkPlan
from lab.runtime.alone import run
from lab.substrate import namespaces
from lab.substrate.netns import Netns, namespace_name

RUN = Path("/run/vpnlab-alone")


def say(node: str, text: str) -> None:
    sys.stdout.write(f"{node} {text}\n")
    sys.stdout.flush()


def start(substrate: Netns, node: str, bundle: Bundle, keys: dict[str, str]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            substrate.enter(node)
            run(bundle, keys, RUN / node, lambda text: say(node, text))
            code = 0
        except BaseException:  # noqa: BLE001 - the child must not run on as a second parent
            say(node, traceback.format_exc())
        finally:
            os._exit(code)
    return pid


def left(lab: str, node: str) -> list[str]:
    """What is still in a node's namespace after its end."""
    with namespaces.visiting(namespace_name(lab, node)):
        tables, rules = (
            subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
            for argv in (["/usr/sbin/nft", "list", "tables"], ["/usr/sbin/ip", "rule"])
        )
        found = [*observe_xfrm(), *map(str, routes(BGP)), *map(str, routes(STATIC)), *tables]
        return [*found, *(rule for rule in rules if rule.startswith("1000:"))]


def main() -> None:
    order = json.loads(sys.stdin.readline())
    lab = order["lab"]
    bundles = {name: from_json(Bundle, bundle) for name, bundle in order["bundles"].items()}
    substrate = Netns(lab)
    preload()
    substrate.destroy()
    for node in bundles:
        substrate.create_node(node)
    for link in order["links"]:
        substrate.create_link(from_json(LinkPlan, link))
    try:
        pids = {node: start(substrate, node, bundle, order["keys"][node]) for node, bundle in bundles.items()}
        sys.stdin.read()
        for pid in pids.values():
            os.kill(pid, signal.SIGTERM)
        for node, pid in pids.items():
            say(node, f"exit {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")
            say("left", f"{node} {json.dumps(left(lab, node))}")
    finally:
        substrate.destroy()


if __name__ == "__main__":
    main()

"""The lab process: parent of a lab's agents, in the place where the nodes are.

It is given a LabPlan as often as anybody likes and makes the nodes, links and agents so; it gathers the agents'
reports and events. There is one for each lab; in a guest it is the resident process.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from lab.errors import HostCannot, LabError
from lab.loop import Loop
from lab.plan.bundle import keys_of
from lab.plan.codec import digest_of_json, from_json, to_json
from lab.plan.model import LabPlan, LinkPlan, NodePlan
from lab.plan.report import STALE_AFTER_S, LabEvent
from lab.runtime.agents import STOP_DEADLINE_S
from lab.runtime.nodes import NAMESPACES, NodeAgent, Nodes, Seat
from lab.substrate.contract import Substrate
from lab.wire.messages import Message

MOST_EVENTS = 10_000
"""Events kept; the oldest go first (chosen: a day of a flapping lab, 2 MB)."""

Reply = Callable[[Message], None]


class LabProcess:
    """One lab's nodes and agents. Calls come as messages; what it says goes to the caller's `reply`."""

    def __init__(self, loop: Loop, run_directory: Path, kind: Nodes = NAMESPACES) -> None:
        self._loop = loop
        self.kind = kind
        self._run_directory = run_directory
        self._plan: LabPlan | None = None
        self._digest = ""
        self._node_plans: Mapping[str, Message] = {}
        self._keys: Mapping[str, str] = {}
        self._substrate: Substrate | None = None
        self._agents: dict[str, NodeAgent] = {}
        self._reports: dict[str, tuple[Message, float]] = {}
        self._stale: set[str] = set()
        self._conditions: dict[str, str] = {}
        self._offered: dict[str, dict[str, list[str]]] = {}
        self._events: deque[LabEvent] = deque(maxlen=MOST_EVENTS)
        self._event_number = 0
        self._report_watchers: list[Reply] = []
        self._event_watchers: list[Reply] = []
        self._questions: dict[int, _Question] = {}
        self._question_number = 0

    @property
    def substrate(self) -> Substrate | None:
        """The nodes of the lab, None before the first plan."""
        return self._substrate

    def directory(self, node: str) -> Path:
        """Where a node's logs and sockets are, readable by root alone."""
        lab = self._plan.name if self._plan else "-"
        return self._run_directory / lab / node

    def forget(self, reply: Reply) -> None:
        """The caller behind `reply` is gone."""
        for watchers in (self._report_watchers, self._event_watchers):
            if reply in watchers:
                watchers.remove(reply)
        for question in self._questions.values():
            if question.reply is reply:
                question.reply = lambda _: None

    # What callers may ask

    def apply(self, plan_json: Any, keys: Mapping[str, str]) -> None:  # noqa: ANN401 - JSON
        """Make the lab be as planned. Nodes, links and agents that did not change are left alone.

        `plan_json` is what `to_json` made: its digest tells plans apart, and the nodes' plans are handed on.
        """
        plan = from_json(LabPlan, plan_json)
        node_plans = {node.name: sent for node, sent in zip(plan.nodes, plan_json["nodes"], strict=True)}
        before = self._plan
        if before is None or self._substrate is None:
            self._substrate = self.kind.substrate_of(plan.name)
            self._substrate.destroy()
        elif before.name != plan.name:
            raise ValueError(f"this process runs lab {before.name}, not {plan.name}")
        keys_before = self._keys
        self._plan, self._keys, self._digest = plan, dict(keys), digest_of_json(plan_json)
        self._node_plans = node_plans
        try:
            self._shape(self._substrate, before, plan)
        except (LabError, OSError, NetlinkError) as error:
            with suppress(LabError, OSError, NetlinkError):  # what is left then, the next plan removes
                self.shutdown()  # half a lab is nothing that a next plan could be compared with
            if before is None:
                raise
            raise HostCannot(
                f"the change came to nothing half-way, and the lab was ended: {getattr(error, 'what', error)}",
                mend="mend that, then `vpnlab up` makes the lab again",
            ) from error
        for node in sorted(plan.nodes, key=lambda node: node.endpoint is None):  # what takes longest goes first
            known = before is not None and node in before.nodes and node.name in self._agents
            if not known or keys_of(node, keys_before) != keys_of(node, keys):
                self._give(self._substrate, node)

    def report(self, reply: Reply) -> None:
        """Answer with a fresh LabReport: every agent looks now; who does not answer in time is stale."""
        self._question_number += 1
        number = self._question_number
        awaited = {name for name, agent in self._agents.items() if agent.ask(number)}
        for name in set(self._agents) - awaited:
            self._silent(name)
        self._questions[number] = _Question(reply, awaited)
        self._loop.call_at(self._loop.now() + STALE_AFTER_S, lambda: self._answer(number))
        if not awaited:
            self._answer(number)

    def watch(self, reply: Reply) -> None:
        """Send a LabReport now, then the NodeStatus of each node in which something changed."""
        self._report_watchers.append(reply)
        reply({"lab": self._lab_report()})

    def events(self, since: int, follow: bool, reply: Reply) -> None:
        """Send the events numbered above `since`, and with `follow` those to come."""
        for event in self._events:
            if event.number > since:
                reply({"event": to_json(event)})
        if follow:
            self._event_watchers.append(reply)
        else:
            reply({"result": self._event_number})

    def shutdown(self) -> None:
        """End all agents and engines and remove every node of the lab."""
        for agent in self._agents.values():
            agent.leave()
        deadline = self._loop.now() + STOP_DEADLINE_S
        for agent in self._agents.values():
            agent.join(deadline)
        self._agents.clear()
        self._plan, self._digest, self._node_plans = None, "", {}
        self._reports.clear()
        self._stale.clear()
        self._conditions.clear()
        self._offered.clear()
        if self._substrate is not None:
            self._substrate.destroy()

    # Making it so

    def _shape(self, substrate: Substrate, before: LabPlan | None, plan: LabPlan) -> None:
        old_links: frozenset[LinkPlan] = frozenset(before.links if before else ())
        old_nodes = frozenset(node.name for node in before.nodes) if before else frozenset()
        new_nodes = frozenset(node.name for node in plan.nodes)
        for link in old_links - frozenset(plan.links):
            if link.a.node in new_nodes and link.b.node in new_nodes:
                substrate.delete_link(link)
        for name in old_nodes - new_nodes:
            self._remove(substrate, name)
        substrate.make(
            [node for node in plan.nodes if node.name not in old_nodes],
            [link for link in plan.links if link not in old_links],
        )

    def _remove(self, substrate: Substrate, name: str) -> None:
        agent = self._agents.pop(name)
        agent.leave()
        agent.join(self._loop.now() + STOP_DEADLINE_S)
        self._reports.pop(name, None)
        substrate.destroy_node(name)

    def _give(self, substrate: Substrate, node: NodePlan) -> None:
        name = node.name
        if name not in self._agents:
            directory = self.directory(name)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            seat = Seat(
                name,
                directory,
                substrate,
                on_message=lambda message: self._heard(name, message),
                on_death=lambda text: self._died(name, text),
            )
            self._agents[name] = self.kind.agent_of(self._loop, seat)
        offered = self._offered.get(node.vpc_table.vpc, {}) if node.vpc_table else {}
        self._agents[name].give({"plan": self._node_plans[name], "keys": keys_of(node, self._keys), "offered": offered})

    def _take_offers(self, offers: Iterable[Message]) -> None:
        """Hand what a border gateway offers now to the routers of the VPCs that it is offered to."""
        for offer in offers:
            known = self._offered.setdefault(offer["vpc"], {})
            if known.get(offer["border_gateway"]) != offer["destinations"]:
                known[offer["border_gateway"]] = offer["destinations"]
                self._give_to_router_of(offer["vpc"])

    def _give_to_router_of(self, vpc: str) -> None:
        for node in self._plan.nodes if self._plan else ():
            if node.vpc_table is not None and node.vpc_table.vpc == vpc and self._substrate is not None:
                self._give(self._substrate, node)

    # What agents say

    def _heard(self, node: str, message: Message) -> None:
        if "event" in message:
            event = message["event"]
            self._happened(node, event["kind"], event["subject"], event["text"], at=event["at"])
        if "report" in message:
            self._reports[node] = (message["report"], self._loop.now())
            self._stale.discard(node)
            self._conditions.pop(node, None)
            self._take_offers(message["report"]["offers"])
            self._answered(node, message.get("answer"))
            self._tell_watchers(node)

    def _died(self, node: str, text: str) -> None:
        """An agent died: what it said last counts for nothing until its successor has looked."""
        self._stale.add(node)
        self._happened(node, "agent-died", None, text)
        for question_number in tuple(self._questions):
            self._answered(node, question_number)
        self._tell_watchers(node)

    def _silent(self, node: str) -> None:
        """An agent did not answer: what it said last counts no more, and the node may know why."""
        self._stale.add(node)
        condition = None
        try:
            condition = self._substrate.condition(node) if self._substrate is not None else None
        except LabError as error:  # who would know does not answer either; the lab goes on without
            condition = f"what became of it is not known: {error.what}"
        if condition is not None and condition != self._conditions.get(node):
            self._conditions[node] = condition
            self._happened(node, "node-silent", None, condition)

    def _happened(self, node: str, kind: str, subject: str | None, text: str, at: float | None = None) -> None:
        """`at` is when an agent saw it; None is now."""
        self._event_number += 1
        event = LabEvent(self._event_number, time.time() if at is None else at, node, kind, subject, text)
        self._events.append(event)
        for watcher in tuple(self._event_watchers):
            watcher({"event": to_json(event)})

    def _tell_watchers(self, node: str) -> None:
        for watcher in tuple(self._report_watchers):
            watcher({"node": self._status(node, self._agents[node])})

    def _answered(self, node: str, number: int | None) -> None:
        question = self._questions.get(number) if number is not None else None
        if number is not None and question is not None:
            question.awaited.discard(node)
            if not question.awaited:
                self._answer(number)

    def _answer(self, number: int) -> None:
        question = self._questions.pop(number, None)
        if question is not None:
            for node in sorted(question.awaited):
                self._silent(node)
            question.reply({"result": self._lab_report()})

    def _lab_report(self) -> Message:
        """A LabReport as JSON. The agents' reports are handed on unread: whoever asked checks them."""
        return {
            "lab": self._plan.name if self._plan else "",
            "plan_digest": self._digest,
            "nodes": [self._status(name, agent) for name, agent in self._agents.items()],
        }

    def _status(self, name: str, agent: NodeAgent) -> Message:
        """A NodeStatus as JSON."""
        report, at = self._reports.get(name, (None, None))
        return {
            "name": name,
            "agent_pid": agent.pid,
            "agent_restarts": agent.restarts,
            "agent_last_exit": self._conditions.get(name) or agent.last_exit,
            "report": report,
            "report_age_s": None if at is None else round(self._loop.now() - at, 3),
            "stale": name in self._stale,
        }


class _Question:
    """A call for a fresh report that waits for agents."""

    def __init__(self, reply: Reply, awaited: set[str]) -> None:
        self.reply = reply
        self.awaited = awaited

"""What a substrate is: where the nodes of a lab come from, whatever they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from lab.plan.model import LinkPlan, NodePlan


class Substrate(Protocol):
    """The nodes and links of one lab. What belongs to it is found by marks that it carries, without a state file."""

    def make(self, nodes: Iterable[NodePlan], links: Iterable[LinkPlan]) -> None:
        """Make nodes, and links between these or nodes that exist.

        Each end has its planned MAC when this returns. Raises HostCannot.
        """

    def delete_link(self, link: LinkPlan) -> None:
        """Remove a link; one that went with its node is fine."""

    def enter(self, node: str) -> None:
        """Move this process into a node's network for good."""

    def enter_as_user(self, node: str) -> None:
        """Make this process, or a child that goes on in its place, what a user's command in a node is to be."""

    def condition(self, node: str) -> str | None:
        """Why nothing in a node can answer now, in words; None where nothing keeps it from answering."""

    def find(self) -> tuple[str, ...]:
        """The nodes of this lab that exist now, whoever made them."""

    def destroy_node(self, node: str) -> None:
        """End what runs in a node and remove it with its interfaces."""

    def destroy(self) -> None:
        """Remove everything that is this lab's, and nothing else."""

"""Nodes that somebody else makes, and removes: all that is known of them is that their agents can be reached."""

from __future__ import annotations

from collections.abc import Iterable

from lab.errors import UsageError
from lab.plan.model import LinkPlan, NodePlan


class Standing:
    """The nodes of a lab that stands by itself."""

    def __init__(self, lab: str) -> None:
        self._lab = lab

    def make(self, nodes: Iterable[NodePlan], links: Iterable[LinkPlan]) -> None:
        """They are there, or will be."""

    def delete_link(self, link: LinkPlan) -> None:
        """Links are not this substrate's."""

    def enter(self, node: str) -> None:
        """There is no way in from here."""
        raise UsageError(f"node {node} of lab {self._lab} cannot be entered", mend="docker compose exec NODE COMMAND")

    def enter_as_user(self, node: str) -> None:
        """There is no way in from here."""
        self.enter(node)

    def condition(self, node: str) -> str | None:  # noqa: ARG002 - the substrates' signature
        """Nothing is known."""
        return None

    def find(self) -> tuple[str, ...]:
        """None is this substrate's."""
        return ()

    def destroy_node(self, node: str) -> None:
        """Nodes are not this substrate's."""

    def destroy(self) -> None:
        """Nothing is this substrate's."""

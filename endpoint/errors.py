"""What an endpoint raises: one exception, in words for people."""

from __future__ import annotations


class EndpointError(Exception):
    """This node cannot be what the plan says: what, why, and how to mend it."""

    def __init__(self, what: str, *, mend: str) -> None:
        super().__init__(f"{what}\n    mend: {mend}")
        self.what = what
        self.mend = mend

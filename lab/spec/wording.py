"""How a problem in the user's file is worded: places, values, nearest spellings.

No key of a tunnel may reach a message, whatever the mistake around it; so every text
of the user's goes through `shown` or `dotted`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

SECRET = "psk"  # noqa: S105 - the name of the field, not a secret
SHOWN_CHARS = 60  # ours: enough to recognise a value by, short enough for one line
SHOWN_STEPS = 10  # ours: the format is 7 deep
KNOWN_WORDS = 200  # ours: bounds the time that a nearest spelling may cost

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the file to a value."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that knows its path in the file, but not yet its line."""

    path: Path
    what: str
    why: str
    mend: str


def shown(value: object) -> str:
    """The value as a message may show it: one line, escaped, cut, never with a key in it."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
    text = re.sub(rf"(?is)({SECRET}\W).*", r"\1...", str(value))
    return repr(text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "...")


def dotted(path: Path) -> str:
    """`cloud.vpn_connections.hq.tunnels[1].inner`; ends at a pre-shared key, below which all is secret."""
    text = ""
    for step in path[:SHOWN_STEPS]:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]{1,60}", step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
        if step == SECRET:
            break
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be."""
    close = get_close_matches(word[:SHOWN_CHARS], list(known)[:KNOWN_WORDS], n=1, cutoff=0.6)
    return close[0] if close else None


def listed(words: Iterable[str]) -> str:
    """The words in a row, cut where a line would become too long to read."""
    row = ", ".join(words)
    return row if len(row) <= 5 * SHOWN_CHARS else row[: 5 * SHOWN_CHARS] + ", ..."

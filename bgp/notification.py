"""NOTIFICATION codes in words."""

from __future__ import annotations

# RFC 4271 section 4.5
CODES = {
    1: "message header error",
    2: "OPEN message error",
    3: "UPDATE message error",
    4: "hold timer expired",
    5: "finite state machine error",
    6: "cease",
}

SUBCODES = {
    # RFC 4271 sections 4.5 and 6.1 to 6.3
    (1, 1): "connection not synchronized",
    (1, 2): "bad message length",
    (1, 3): "bad message type",
    (2, 1): "unsupported version number",
    (2, 2): "bad peer AS",
    (2, 3): "bad BGP identifier",
    (2, 4): "unsupported optional parameter",
    (2, 6): "unacceptable hold time",
    (2, 7): "unsupported capability",  # RFC 5492
    (3, 1): "malformed attribute list",
    (3, 2): "unrecognized well-known attribute",
    (3, 3): "missing well-known attribute",
    (3, 4): "attribute flags error",
    (3, 5): "attribute length error",
    (3, 6): "invalid ORIGIN attribute",
    (3, 8): "invalid NEXT_HOP attribute",
    (3, 9): "optional attribute error",
    (3, 10): "invalid network field",
    (3, 11): "malformed AS_PATH",
    # RFC 6608
    (5, 1): "unexpected message in OpenSent state",
    (5, 2): "unexpected message in OpenConfirm state",
    (5, 3): "unexpected message in Established state",
    # RFC 4486
    (6, 1): "maximum number of prefixes reached",
    (6, 2): "administrative shutdown",
    (6, 3): "peer de-configured",
    (6, 4): "administrative reset",
    (6, 5): "connection rejected",
    (6, 6): "other configuration change",
    (6, 7): "connection collision resolution",
    (6, 8): "out of resources",
}


def in_words(code: int, subcode: int) -> str:
    """ "OPEN message error: bad peer AS (2/2)"; unknown codes keep their numbers."""
    meaning = CODES.get(code, "unknown error")
    if detail := SUBCODES.get((code, subcode)):
        meaning += f": {detail}"
    return f"{meaning} ({code}/{subcode})"

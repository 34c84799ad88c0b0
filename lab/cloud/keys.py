"""Pre-shared keys: which ones the cloud takes, and new ones. Pure but for the source of chance that is handed in."""

from __future__ import annotations

import re
import string
from random import Random

PSK_LENGTH = 20
"""The cloud's longest key."""
PSK_ALPHABET = string.ascii_letters + string.digits + "_-"
PSK_PATTERN = "(?!0[xs])[A-Za-z0-9_-]{1,20}"
"""1-20 of `A-Z a-z 0-9 _ -`, not beginning with `0x` or `0s`, which IKE daemons read as encodings."""


def is_psk(text: str) -> bool:
    """Whether the cloud takes the text as a pre-shared key."""
    return re.fullmatch(PSK_PATTERN, text) is not None


def generate_psk(chance: Random) -> str:
    """A new key of the greatest length. For a key that protects something `chance` is `secrets.SystemRandom()`."""
    while True:
        key = "".join(chance.choice(PSK_ALPHABET) for _ in range(PSK_LENGTH))
        if is_psk(key):
            return key

"""Many numbers in a message: an array's bytes as text. Both ends of a lab's line run on one machine."""

from __future__ import annotations

import base64
from array import array


def packed(numbers: array[int]) -> str:
    """The text that stands for an array in a message."""
    return base64.b64encode(numbers.tobytes()).decode()


def unpacked(kind: str, text: str) -> array[int]:
    """The array of this type code in `text`. Raises ValueError when it holds no whole number of them."""
    numbers = array(kind)
    numbers.frombytes(base64.b64decode(text, validate=True))
    return numbers

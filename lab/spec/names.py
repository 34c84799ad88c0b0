"""What a lab, and everything in it, may be called. Little is imported here: quick commands need no more of a spec."""

from __future__ import annotations

import hashlib
import re

# From the cloud: "Names: 1-32 characters of Chinese, digits, letters, `_`, `-`". Chinese: the unified ideographs of
# Unicode's first plane, with their extension A.
NAME_PATTERN = "[0-9A-Za-z_\u3400-\u4dbf\u4e00-\u9fff-]{1,32}"

# Ours: a lab's name stands in names of folders, processes and namespaces, and a node's name is a host name.
LAB_NAME_PATTERN = "[a-z][a-z0-9-]{0,31}"
SIGN_DIGITS = 6
"""Hexadecimal digits that tell names apart which are alike once they are node names (chosen: 1 in 16 million)."""
STEM_LENGTH = 32 - 1 - SIGN_DIGITS


def node_name(name: str) -> str:
    """The name of a node for what the user calls so: the same where that can be a host name.

    Otherwise what of it can be, and a sign that is this name's own: "hq-gw-5d2f07" for "HQ_GW", "n-0b1c2d" for one that
    is Chinese altogether. It depends on nothing but the name.
    """
    if re.fullmatch(LAB_NAME_PATTERN, name):
        return name
    sign = hashlib.sha256(name.encode()).hexdigest()[:SIGN_DIGITS]
    stem = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    if not re.match("[a-z]", stem):
        stem = f"n{stem}"
    return f"{stem[:STEM_LENGTH].rstrip('-')}-{sign}"

"""Initramfs archives: cpio in the "newc" form, the only one that the kernel unpacks.

The form is given in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Archives may follow
one another with zero bytes between them; later files replace earlier ones.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

TRAILER = "TRAILER!!!"
BLOCK = 512  # archives are padded to this, as cpio does; the kernel asks for 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file of the archive, owned by root; `mode` holds the permission bits."""

    data: bytes
    mode: int = 0o644


def archive(files: Mapping[str, Entry]) -> bytes:
    """The archive that holds `files` (relative path to entry) and the folders above them.

    The same files give the same bytes: sorted, no times, inode numbers counted from 1.
    """
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
    members = {name: Entry(b"", stat.S_IFDIR | 0o755) for name in folders}
    members |= {name: Entry(entry.data, stat.S_IFREG | entry.mode) for name, entry in files.items()}
    # In this order a folder precedes what it holds: the kernel makes no missing ones.
    ordered = sorted(members.items(), key=lambda member: PurePosixPath(member[0]).parts)
    parts = [_member(number, name, entry) for number, (name, entry) in enumerate(ordered, start=1)]
    parts.append(_member(0, TRAILER, Entry(b"", 0)))
    return _padded(b"".join(parts), BLOCK)


def _member(inode: int, name: str, entry: Entry) -> bytes:
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name.encode()) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name.encode() + b"\0", 4) + _padded(entry.data, 4)


def _padded(data: bytes, block: int) -> bytes:
    return data + bytes(-len(data) % block)

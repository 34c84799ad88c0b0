"""The code of many modules gathered in one file, and a program that imports from there.

    python3 -I gathered.py write FILE          gather what this interpreter finds in its own folders
    python3 -m lab.gathered run MODULE FILE... import MODULE, with what is in FILEs that are for it, and call its main()

Eight hundred modules are imported before a guest answers. To look each up among folders, and to open, check and read
its file, is a third of that where there is no KVM (docs/engines.md). Stands alone, for an image's build runs it where
the project is not, and does without pathlib and dataclasses, which are better imported from there, too.
"""

from __future__ import annotations

import gc
import marshal
import mmap
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, spec_from_file_location
from types import CodeType, ModuleType

# A file is its head, an index and the code of one module after the other. The head has the form's name, for which
# Python the code is, and the index's size. The index has of each module, by its full name, the path of its source,
# whether it is a package, and offset and length of its code.
_HEAD = struct.Struct("<8s4sQ")
_FORM = b"vpnlab 1"
_INDEX_VERSION = 4  # of marshal: the Python that writes the index need not be the one that reads it


Module = tuple[str, bool, bytes]
"""The path of a module's source where it will be imported, whether it is a package, and its marshalled code."""


def packed(modules: Mapping[str, Module], magic: bytes = MAGIC_NUMBER) -> bytes:
    """The file that holds these modules, which are called by their full names, for the Python of this magic number."""
    index = {}
    offset = 0
    for name, (source, is_package, code) in modules.items():
        index[name] = source, is_package, offset, len(code)
        offset += len(code)
    listed = marshal.dumps(index, _INDEX_VERSION)
    return b"".join((_HEAD.pack(_FORM, magic, len(listed)), listed, *(code for _, _, code in modules.values())))


def fits(file: str) -> bool:
    """Whether there is such a file, and it is for this Python."""
    try:
        with open(file, "rb") as opened:
            head = opened.read(_HEAD.size)
    except FileNotFoundError:
        return False
    return len(head) == _HEAD.size and _HEAD.unpack(head)[:2] == (_FORM, MAGIC_NUMBER)


def gathered(folders: Iterable[str]) -> Mapping[str, Module]:
    """The modules below `folders`, of two with one name the first. One that is not for this Python is left out."""
    found: dict[str, Module] = {}
    for folder in folders:
        for name, source, is_package in _sources(folder, ""):
            code = None if name in found else _code(name, source)
            if code is not None:
                found[name] = source, is_package, code
    return found


class Finder:
    """Finds modules by their full names in a file that fits; `importlib.abc.MetaPathFinder`. Raises OSError.

    It is there as long as the process: children that close all descriptors but some close that of the mapping, too,
    whose end would then close whatever has got its number.
    """

    def __init__(self, file: str) -> None:
        with open(file, "rb") as opened:
            data = memoryview(mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ))
        _, _, size = _HEAD.unpack_from(data)
        listed, self._codes = data[_HEAD.size : _HEAD.size + size], data[_HEAD.size + size :]
        self._index: dict[str, tuple[str, bool, int, int]] = marshal.loads(listed)  # noqa: S302 - a file of the image

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - names are full
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """How to load a module; None for one that is not there."""
        place = self._index.get(name)
        if place is None:
            return None
        source, is_package, offset, length = place
        loader = _Loader(name, source, self._codes[offset : offset + length])
        below = [os.path.dirname(source)] if is_package else None
        spec = spec_from_file_location(name, source, loader=loader, submodule_search_locations=below)
        if spec is not None:
            spec.cached = source  # else importlib works out, for each module, where its .pyc would lie
        return spec


class _Loader(SourceFileLoader):
    """Knows the module's source for whoever asks, tracebacks above all, and has its code already."""

    def __init__(self, name: str, source: str, code: memoryview) -> None:
        super().__init__(name, source)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        code: CodeType = marshal.loads(self._code)  # noqa: S302 - a file of the image
        return code


def _sources(folder: str, package: str) -> Iterator[tuple[str, str, bool]]:
    """The modules in a folder and below that Python would import from source: full name, path, whether a package."""
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    names = {entry.name for entry in entries}
    for entry in entries:
        stem, suffix = os.path.splitext(entry.name)
        if entry.is_dir():
            if entry.name.isidentifier() and entry.name != "__pycache__":
                yield from _sources(entry.path, f"{package}{entry.name}.")
        elif suffix == ".py" and stem == "__init__":
            if package:
                yield package[:-1], entry.path, True
        elif suffix == ".py" and stem.isidentifier() and not names & {stem + end for end in EXTENSION_SUFFIXES}:
            yield package + stem, entry.path, False


def _code(name: str, source: str) -> bytes | None:
    try:
        code = SourceFileLoader(name, source).get_code(name)
    except SyntaxError:
        return None
    return marshal.dumps(code)


def run(module: str, files: Iterable[str]) -> None:
    """Import a module, with all that it imports, and call its main()."""
    place = sys.meta_path.index(PathFinder)
    sys.meta_path[place:place] = [Finder(file) for file in files if fits(file)]
    gc.disable()  # what is imported stays: the collector would go through all of it again and again in vain
    try:
        program = import_module(module)
    finally:
        gc.enable()
    program.main()


def main(arguments: Sequence[str]) -> None:
    """Be the program above."""
    match arguments:
        case ["write", file]:
            folders = [folder for folder in sys.path if os.path.isdir(folder)]
            with open(file, "wb") as opened:
                opened.write(packed(gathered(folders)))
        case ["run", module, *files]:
            run(module, files)
        case _:
            sys.exit(f"usage: {sys.argv[0]} write FILE | run MODULE FILE...")


if __name__ == "__main__":
    main(sys.argv[1:])

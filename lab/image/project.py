"""The project's layer of an image: the Python packages that run in the guest, and what starts them."""

from __future__ import annotations

import ast
import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.util import MAGIC_NUMBER
from pathlib import Path, PurePath, PurePosixPath

from lab.gathered import Module, packed
from lab.image.cpio import Entry, archive
from lab.image.recipe import Recipe

GUEST_FOLDER = "/usr/lib/vpnlab"
WHOLE = ("endpoint", "bgp")  # small, and all of it is the guest's
COMPILE_DEADLINE_S = 20.0

# Run by the guest's interpreter: its frozen modules and `encodings` are all that is there. One pair of
# paths a line (on the host, in the guest) comes in; Python's magic number, and per pair the length of the
# marshalled code and that code, go out.
COMPILE = r"""
import marshal, sys
from _frozen_importlib_external import MAGIC_NUMBER
out = sys.stdout.buffer
out.write(MAGIC_NUMBER)
for line in sys.stdin.buffer.read().decode().splitlines():
    here, there = line.split("\t")
    with open(here, "rb") as file:
        source = file.read()
    try:
        code = marshal.dumps(compile(source, there, "exec", dont_inherit=True))
    except SyntaxError:
        code = b""
    out.write(len(code).to_bytes(4, "little") + code)
"""


def project_sources(programs: Iterable[str], root: Path | None = None) -> Mapping[str, Path]:
    """The sources that go into the guest: relative path ("lab/errors.py") to the file under `root`.

    They are what the modules `programs` can import, by following the import statements. So an edit of what
    only the host runs costs no new layer, and nothing there needs a library that the guest has not.
    """
    root = root or Path(__file__).parents[2]
    modules = {
        _module_name(path.relative_to(root)): path
        for package in ("lab", *WHOLE)
        for path in (root / package).rglob("*.py")
    }
    waiting = [*programs, *(name for name in modules if name.split(".")[0] in WHOLE)]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in modules and name not in reached:
            reached.add(name)
            waiting += [name.rpartition(".")[0], *_imports(name, modules[name])]
    return {path.relative_to(root).as_posix(): path for path in sorted(modules[name] for name in reached)}


def _module_name(path: PurePath) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _imports(name: str, path: Path) -> Iterator[str]:
    for statement in ast.walk(ast.parse(path.read_bytes(), path)):
        match statement:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                above = package[: len(package) - level + 1] if level else []
                origin = ".".join([*above, *([module] if module else [])])
                yield from (origin, *(f"{origin}.{alias.name}" for alias in names))


def build_project(
    into: Path, key: str, base: Path, recipe: Recipe, sources: Mapping[str, Path], progress: Callable[[str], None]
) -> None:
    """Fill the empty folder `into` with initramfs and manifest.json."""
    magic, compiled = compile_sources(base / "compiler", sources, into, progress)
    files = {
        "init": Entry(recipe.init, 0o755),
        "vpnlab/start": Entry(recipe.start, 0o755),
        **{f"vpnlab/{name}": Entry(data) for name, data in recipe.beside.items()},
        **{f"vpnlab/{name}": Entry(path.read_bytes()) for name, path in sources.items()},
        "vpnlab/gathered": Entry(packed(compiled, magic)),
    }
    (into / "initramfs").write_bytes((base / "initramfs.base").read_bytes() + archive(files))
    manifest = {
        "key": key,
        "base": base.name,
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": len(sources),
        "compiled": len(compiled),
    }
    (into / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def compile_sources(
    compiler: Path, sources: Mapping[str, Path], scratch: Path, progress: Callable[[str], None]
) -> tuple[bytes, Mapping[str, Module]]:
    """The magic number of the guest's Python and the modules compiled for it, by full name.

    There is neither where its interpreter does not run here.
    `compiler` holds it with its C library, so it runs on any x86-64 Linux. A file with a syntax error is
    left out: the guest says so when it imports it.
    """
    pairs = "".join(f"{path}\t{GUEST_FOLDER}/{name}\n" for name, path in sources.items())
    script = scratch / "compile.py"  # "-c" would want modules that are not there
    script.write_text(COMPILE)
    command = [
        str(compiler / "ld-linux-x86-64.so.2"),
        "--library-path",
        str(compiler),
        str(compiler / "python"),
        *("-S", "-s", "-B", "-X", "utf8", str(script)),
    ]
    try:
        done = subprocess.run(
            command,
            env={"PYTHONHOME": str(compiler)},
            input=pairs.encode(),
            capture_output=True,
            check=True,
            timeout=COMPILE_DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = error.stderr.decode(errors="replace").strip() if isinstance(error, subprocess.CalledProcessError) else ""
        progress(
            f"image: the project is not byte-compiled, the guest starts slower: {said.rpartition(chr(10))[2] or error}"
        )
        return b"", {}
    finally:
        script.unlink()
    return _cut(done.stdout, tuple(sources))


def _cut(stream: bytes, names: tuple[str, ...]) -> tuple[bytes, Mapping[str, Module]]:
    compiled = {}
    offset = len(MAGIC_NUMBER)
    for name in names:
        size = int.from_bytes(stream[offset : offset + 4], "little")
        offset += 4
        if size:
            path = PurePosixPath(name)
            code = stream[offset : offset + size]
            compiled[_module_name(path)] = f"{GUEST_FOLDER}/{name}", path.name == "__init__.py", code
        offset += size
    return stream[: len(MAGIC_NUMBER)], compiled

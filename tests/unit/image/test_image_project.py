import ast
from pathlib import Path

import pytest

from lab.image.project import project_sources
from lab.image.recipe import IN_CONTAINERS, RESIDENTS, read_recipe

HOST_ONLY = {"pydantic", "click", "rich", "yaml", "scapy", "docker"}
COMMANDS = {"pydantic", "click", "rich", "yaml"}
"""Libraries that the command in a container has: compose/image/command-packages.txt."""


def write(root: Path, sources: dict[str, str]) -> None:
    for name, text in sources.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_the_guest_gets_what_its_resident_process_can_import(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "lab/__init__.py": "",
            "lab/errors.py": "",
            "lab/cli/__init__.py": "",
            "lab/cli/main.py": "import click",
            "lab/runtime/__init__.py": "",
            "lab/runtime/guest.py": "from . import ports\nfrom lab.errors import X\ndef main():\n    import lab.late",
            "lab/runtime/ports.py": "from .deep.wire import y\nimport os",
            "lab/runtime/deep/__init__.py": "from ..wake import z",
            "lab/runtime/deep/wire.py": "",
            "lab/runtime/wake.py": "",
            "lab/late.py": "",
            "endpoint/__init__.py": "",
            "bgp/__init__.py": "",
            "bgp/script.py": "",
        },
    )
    assert set(project_sources(["lab.runtime.guest"], tmp_path)) == {
        "lab/__init__.py",
        "lab/errors.py",
        "lab/late.py",
        "lab/runtime/__init__.py",
        "lab/runtime/guest.py",
        "lab/runtime/ports.py",
        "lab/runtime/deep/__init__.py",
        "lab/runtime/deep/wire.py",
        "lab/runtime/wake.py",
        "endpoint/__init__.py",
        "bgp/__init__.py",
        "bgp/script.py",
    }


IN_GUEST = project_sources(read_recipe().programs)
BESIDE_DOCKER = project_sources([RESIDENTS["containers"], *IN_CONTAINERS])
ALL_IN_CONTAINERS = project_sources(read_recipe("containers").programs)


@pytest.mark.parametrize("name", sorted(ALL_IN_CONTAINERS))
def test_nothing_in_a_guest_imports_a_library_that_it_has_not(name: str) -> None:
    lacking = HOST_ONLY
    if name not in IN_GUEST:
        lacking = HOST_ONLY - {"docker"} - (set() if name in BESIDE_DOCKER else COMMANDS)
    assert not imports(ALL_IN_CONTAINERS[name]) & lacking


def imports(path: Path) -> set[str]:
    imported = set()
    for statement in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(statement, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            imported.add(statement.module.split(".")[0])
    return imported

"""What the containers' image is built from."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from lab.image.project import project_sources
from lab.image.recipe import package_names, read_recipe

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "compose"


def test_its_libraries_are_those_of_the_project_in_the_same_versions():
    wanted = package_names((COMPOSE / "libraries.txt").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(wanted) <= set(project)
    imported = re.search(r"import (.*)' 2>", (COMPOSE / "install").read_text())
    assert imported
    assert [re.split(r"[>=]", line)[0] for line in wanted] == imported[1].split(", ")


@pytest.mark.parametrize("script", ["install", "healthy"])
def test_its_scripts_have_no_syntax_errors(script):
    subprocess.run(["/bin/sh", "-n", str(COMPOSE / script)], check=True)


def test_a_guest_with_docker_has_all_that_the_image_is_built_from():
    recipe = read_recipe("containers")
    copied = {name for name in recipe.beside if name.startswith("compose/")}
    read = set(re.findall(r'"\$here/([^"]+)"', (COMPOSE / "install").read_text()))
    assert {"libraries.txt", "image/packages.txt", "image/command-packages.txt"} == read
    assert copied == {f"compose/{name}" for name in ("Dockerfile", "install", "healthy", *read)}


def test_the_libraries_that_the_command_needs_besides_are_packages_of_debian():
    wanted = package_names((COMPOSE / "image" / "command-packages.txt").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[>=]", line)[0].lower().removeprefix("py") for line in project}
    assert {package.removeprefix("python3-").removeprefix("py") for package in wanted} <= names


def test_the_command_in_a_container_is_given_the_modules_that_it_imports():
    sources = project_sources(read_recipe("containers").programs)
    assert {"lab/cli/main.py", "lab/cli/verbs/endpoint.py", "lab/spec/endpoint_load.py"} <= sources.keys()
    assert "lab/cli/verbs/up.py" not in sources


def test_a_guest_without_docker_has_none_of_it():
    assert set(read_recipe().beside) == {"resident"}
    assert "docker.io" not in read_recipe().packages

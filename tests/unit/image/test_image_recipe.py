import subprocess
from dataclasses import replace
from importlib.resources import files

from endpoint.crypto import MODULES
from lab.image.libraries import Library, installed_libraries
from lab.image.project import GUEST_FOLDER
from lab.image.recipe import base_key, package_names, project_key, read_recipe

LIBRARY = Library("exabgp", "5.0.13", "d1", {})


def test_comments_and_empty_lines_are_no_packages() -> None:
    assert package_names("# all\n\npython3 # the resident\n  less\n") == ("python3", "less")


def test_the_order_of_packages_does_not_change_the_base() -> None:
    recipe = read_recipe()
    turned = replace(recipe, packages=tuple(reversed(recipe.packages)))
    assert base_key(turned, [LIBRARY]) == base_key(recipe, [LIBRARY])


def test_each_part_of_the_base_changes_its_key() -> None:
    recipe = read_recipe()
    keys = {
        base_key(recipe, [LIBRARY]),
        base_key(replace(recipe, packages=(*recipe.packages, "less-is-more")), [LIBRARY]),
        base_key(replace(recipe, modules=recipe.modules + "have msdos\n"), [LIBRARY]),
        base_key(replace(recipe, build=recipe.build + "true\n"), [LIBRARY]),
        base_key(replace(recipe, gathered=recipe.gathered + "#\n"), [LIBRARY]),
        base_key(recipe, [replace(LIBRARY, version="5.0.14")]),
        base_key(recipe, [replace(LIBRARY, digest="d2")]),
    }
    assert len(keys) == 7


def test_what_the_initramfs_runs_changes_the_image_but_not_the_base() -> None:
    recipe = read_recipe()
    changed = replace(recipe, start=recipe.start + b"true\n")
    assert base_key(changed, [LIBRARY]) == base_key(recipe, [LIBRARY])
    assert project_key("b", changed, {}) != project_key("b", recipe, {})


def test_a_source_that_moves_bytes_to_its_neighbour_changes_the_image() -> None:
    recipe = read_recipe()
    assert project_key("b", recipe, {"a": b"xy", "b": b""}) != project_key("b", recipe, {"a": b"x", "b": b"y"})


def test_every_module_has_one_known_kind() -> None:
    lines = [line.split() for line in package_names(read_recipe().modules)]
    assert {kind for kind, _ in lines} == {"boot", "load", "have"}
    modules = [module for _, module in lines]
    assert sorted(set(modules)) == sorted(modules)


def test_what_the_build_gathers_is_where_the_programs_look_for_it() -> None:
    recipe = read_recipe()
    written = "/usr/lib/python3/gathered"
    assert f"gathered.py write {written}\n" in recipe.build
    assert f"{written} {GUEST_FOLDER}/gathered\n" in recipe.start.decode()
    assert f'"{written}", "{GUEST_FOLDER}/gathered"]' in files("compose").joinpath("Dockerfile").read_text()


def test_the_scripts_are_shell() -> None:
    recipe = read_recipe()
    for script in (recipe.build.encode(), recipe.init, recipe.start):
        subprocess.run(["/bin/sh", "-n"], input=script, check=True)


def test_the_guests_libraries_are_pure_python_of_this_environment() -> None:
    for library in installed_libraries():
        assert library.files
        assert all(path.exists() for path in library.files.values()), library.name
        assert not [name for name in library.files if name.endswith(".so") or name.startswith("..")]


def test_pyroute2_comes_without_its_database() -> None:
    (pyroute2,) = installed_libraries(["pyroute2"])
    assert "pyroute2.ndb" not in pyroute2.files["pyroute2/__init__.py"].read_text()


def test_modules_that_ipsec_needs_are_loaded_before_the_warm_up() -> None:
    lines = [line.split() for line in read_recipe().modules.splitlines()]
    loaded = {line[1] for line in lines if line[:1] == ["load"]}
    assert set(MODULES) - loaded == {"jitterentropy_rng"}, "built into the guest's kernel, which leaves it out"

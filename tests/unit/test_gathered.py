"""Modules are gathered from folders and imported from the file alone."""

import shutil
import subprocess
import sys
import traceback
from importlib.machinery import EXTENSION_SUFFIXES, SourceFileLoader
from pathlib import Path

import pytest

from lab import gathered as program
from lab.gathered import Finder, fits, gathered, packed

SOURCES = {
    "ztop.py": "VALUE = 1\n",
    "zpack/__init__.py": "from zpack.inner import fails\n",
    "zpack/inner.py": "def fails():\n    raise ValueError('here')\n",
    "zspace/deep.py": "VALUE = 2\n",
    "zold.py": "print 'another Python'\n",
    "zfast.py": "VALUE = 3\n",
    f"zfast{EXTENSION_SUFFIXES[0]}": "",
    "not-a-name.py": "",
    "no-package/zlost.py": "",
    "zpack/__pycache__/zlost.py": "",
    "zpack/data.txt": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        file = tmp_path / "first" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "first"


@pytest.fixture
def imported(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, from which this process imports; of the sources' folders only one is on its path."""
    file = tmp_path / "gathered"
    file.write_bytes(packed(gathered([str(folder)])))
    monkeypatch.setattr(sys, "meta_path", [Finder(str(file)), *sys.meta_path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.syspath_prepend(folder / "no-package")
    return file


def test_modules_are_found_by_their_full_names_where_they_are_for_this_python(folder: Path) -> None:
    found = gathered([str(folder)])
    assert {name: is_package for name, (_, is_package, _) in found.items()} == {
        "ztop": False,
        "zpack": True,
        "zpack.inner": False,
        "zspace.deep": False,
    }


def test_of_two_modules_with_one_name_the_first_folder_s_is_taken(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "ztop.py").write_text("VALUE = 3\n")
    source, _, _ = gathered([str(folder), str(tmp_path / "second")])["ztop"]
    assert source == str(folder / "ztop.py")


@pytest.mark.usefixtures("imported")
def test_what_is_gathered_is_imported_and_knows_its_source(folder: Path) -> None:
    import zpack  # noqa: PLC0415
    import ztop  # noqa: PLC0415

    assert (ztop.VALUE, ztop.__file__) == (1, str(folder / "ztop.py"))
    assert zpack.__path__ == [str(folder / "zpack")]
    with pytest.raises(ValueError, match="here") as caught:
        zpack.fails()
    assert traceback.extract_tb(caught.value.__traceback__)[-1].line == "raise ValueError('here')"


@pytest.mark.usefixtures("imported")
def test_what_is_not_gathered_is_looked_for_elsewhere(folder: Path) -> None:
    import zlost  # noqa: PLC0415

    assert zlost.__file__ == str(folder / "no-package" / "zlost.py")


@pytest.mark.usefixtures("imported")
def test_a_module_in_a_namespace_package_is_taken_from_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    import zspace.deep  # noqa: PLC0415

    assert zspace.deep.VALUE == 2
    assert type(zspace.deep.__loader__) is not SourceFileLoader


def test_a_file_is_used_where_it_is_for_this_python(tmp_path: Path) -> None:
    file = tmp_path / "gathered"
    assert not fits(str(file))
    for data in (b"", packed({}, b"0000"), packed({}, b""), b"vpnlab 0" + packed({})[8:]):
        file.write_bytes(data)
        assert not fits(str(file))
    file.write_bytes(packed({}))
    assert fits(str(file))
    assert Finder(str(file)).find_spec("ztop") is None


def test_the_program_gathers_from_its_path_and_runs_a_module_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, file = tmp_path / "library", tmp_path / "gathered"
    library.mkdir()
    (library / "zprogram.py").write_text("import gc, zpart\ndef main():\n    print(zpart.COLLECTS, gc.isenabled())\n")
    (library / "zpart.py").write_text("import gc\nCOLLECTS = gc.isenabled()\n")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "path", [str(library), str(tmp_path / "nowhere")])
        program.main(["write", str(file)])
    shutil.rmtree(library)
    argv = [sys.executable, program.__file__, "run", "zprogram", str(tmp_path / "no file"), str(file)]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"False True\n"


def test_a_program_called_wrongly_says_how() -> None:
    with pytest.raises(SystemExit, match=r"usage: .* write FILE \| run MODULE FILE"):
        program.main(["read"])

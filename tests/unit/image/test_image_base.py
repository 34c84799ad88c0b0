import signal
import subprocess
from pathlib import Path

import pytest

from lab.errors import HostCannot
from lab.image import base
from lab.image.base import check_host, contained, failure, mmdebstrap_command, phase_of
from lab.image.recipe import read_recipe

LOG = Path("/cache/base-1.log")


def test_an_ordinary_user_builds_in_a_user_namespace_and_copies_out() -> None:
    command = mmdebstrap_command(read_recipe(), Path("/a b/in.tar"), Path("/a b/out"), root=False)
    assert "--mode=unshare" in command
    assert "--customize-hook=tar-in '/a b/in.tar' /build/in" in command
    assert "--customize-hook=sync-out /build/out '/a b/out'" in command


def test_the_mirror_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPNLAB_DEBIAN_MIRROR", "http://192.0.2.1/debian")
    assert mmdebstrap_command(read_recipe(), Path("in"), Path("out"), root=True)[-1] == "http://192.0.2.1/debian"


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("I: running apt-get update...\n", "asking the mirror"),
        ("vpnlab-phase: root: pack\n", "root: pack"),
        ("I: running special hook: tar-in x /build/in\n", None),
        ('phase() { echo "vpnlab-phase: $1"; }\n', None),
    ],
)
def test_lines_of_the_build_name_its_phases(line: str, phase: str | None) -> None:
    assert phase_of(line) == phase


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "which", lambda program: None if program == "mkfs.erofs" else f"/usr/bin/{program}")
    monkeypatch.setattr(base, "KEYRING", Path("/nowhere"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(HostCannot) as caught:
        check_host()
    assert caught.value.mend == "apt-get install debian-archive-keyring erofs-utils"


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("Err:1 http://deb.debian.org Temporary failure resolving 'deb.debian.org'", "VPNLAB_DEBIAN_MIRROR"),
        ("dpkg: error: No space left on device", "free about 1 GB"),
        ("W: GPG error: NO_PUBKEY 6ED0E7B82643E131", "debian-archive-keyring"),
        ("E: unshare() failed: Operation not permitted", "user namespaces"),
        ("E: something else", "read /cache/base-1.log"),
    ],
)
def test_a_failed_build_says_how_to_mend_it(said: str, mend: str) -> None:
    error = failure(25, ("before", said), LOG)
    assert said in error.what
    assert error.mend is not None
    assert mend in error.mend
    assert str(LOG) in error.mend


def test_a_build_of_an_ordinary_user_is_asked_to_stop_when_its_caller_dies() -> None:
    assert contained(["true"], signal.SIGTERM) == ["setpriv", "--pdeathsig", "TERM", "true"]
    subprocess.run(contained(["true"], signal.SIGTERM), check=True)


def test_a_build_of_root_is_killed_with_all_its_mounts() -> None:
    command = contained(["true"], signal.SIGKILL)
    assert command[:4] == ["setpriv", "--pdeathsig", "KILL", "unshare"]
    assert {"--mount", "--pid", "--kill-child=KILL"} <= set(command)

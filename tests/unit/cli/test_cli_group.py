"""The group: help without imports, aliases, every option with its variable, every error with its end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from lab.cli import failures
from lab.cli.main import ALIASES, VERBS, cli
from lab.errors import HostCannot, LabSaysNo, NotConverged, UsageError


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        yield verb, command
        if isinstance(command, click.Group):
            yield from ((f"{verb} {name}", child) for name, child in command.commands.items())


def test_the_help_of_the_group_says_what_each_verb_says_of_itself():
    for verb, command in commands():
        if verb in VERBS:
            assert (command.help or "").splitlines()[0] == VERBS[verb].help


def test_every_option_has_its_variable():
    for verb, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                assert str(option.envvar).startswith("VPNLAB_"), f"{verb}: {option.name}"


def test_habits_of_the_field_are_aliases(vpnlab):
    for alias, verb in ALIASES.items():
        assert vpnlab(alias, "--help").stdout.splitlines()[1:] == vpnlab(verb, "--help").stdout.splitlines()[1:]


@pytest.mark.parametrize("args", [["--help"], ["version"], ["nosuch"]])
def test_what_is_quick_imports_nothing_heavy(args):
    heavy = {"pydantic", "rich", "pyroute2", "exabgp", "cattrs", "scapy", "vici", "yaml"}
    script = (
        "import sys\nsys.argv = ['vpnlab', *sys.argv[1:]]\nfrom lab.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("verb", ["down", "events", "exec", "logs", "ping", "routes", "status"])
def test_what_asks_a_running_lab_reads_no_topology_and_makes_no_namespaces(verb):
    slow = {"pydantic", "pyroute2", "docker", "yaml"}
    script = f"import sys, lab.cli.verbs.{verb}; print(sorted({slow!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (LabSaysNo("no"), 1, "error: no"),
        (UsageError("wrong", mend="do it right"), 2, "error: wrong\n    mend: do it right"),
        (HostCannot("cannot"), 3, "error: cannot"),
        (NotConverged("not yet"), 4, "error: not yet"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/state/x"), 3, "error: /state/x: Read-only file system"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 3, "No space left on device\n    mend: free some"),
        (ZeroDivisionError("division by zero"), 70, "this is a bug of vpnlab: ZeroDivisionError: division by zero"),
        (OSError(errno.ENOTTY, "not a typewriter"), 70, "this is a bug of vpnlab"),
    ],
)
def test_every_error_ends_as_a_message_and_an_exit_code(vpnlab, fake_lab, error, code, said):
    fake_lab.gone = error
    done = vpnlab("ping")
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_traceback_of_a_bug_is_shown_when_asked_for(vpnlab, fake_lab):
    fake_lab.gone = ZeroDivisionError("division by zero")
    for args in (("-v", "ping"), ("ping", "-v")):
        assert "Traceback (most recent call last)" in vpnlab(*args).stderr


def test_a_state_folder_that_cannot_be_made_is_the_hosts_fault(vpnlab, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    done = vpnlab("down", "--name", "x")
    assert done.exit_code == failures.HOST_CANNOT
    assert "Not a directory" in done.stderr
    assert "XDG_STATE_HOME" in done.stderr


def run(script: str) -> subprocess.CompletedProcess[str]:
    vpnlab = f"{sys.executable} -c 'from lab.cli.main import main; main()'"
    shell = ["/bin/bash", "-c", f'vpnlab() {{ {vpnlab} "$@"; }}\n{script}']
    return subprocess.run(shell, capture_output=True, text=True, check=False)


def test_a_reader_that_stops_reading_ends_the_command_quietly():
    done = run("vpnlab plan | head -n 1; echo ${PIPESTATUS[0]}")
    assert done.stdout in ("{\n141\n", "{\n0\n")
    assert done.stderr == ""


def test_closed_standard_streams_do_no_harm():
    assert run("vpnlab version >&- 2>&- <&-; echo $?").stdout == "0\n"


def test_a_full_disk_under_the_output_is_named():
    done = run("vpnlab plan >/dev/full; echo $?")
    assert done.stdout == "3\n"
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr

import errno
import os
import select
import subprocess
import sys
import uuid

import pytest

from lab.substrate import process

LOYAL = "import sys; print('up', flush=True); sys.stdin.read()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + LOYAL
MARK = str(uuid.uuid4())  # tests that run beside these have children of their own


@pytest.fixture
def child():
    children = []

    def start(code):
        argv = [sys.executable, "-c", code, MARK]
        started = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children.append(started)
        started.stdout.readline()
        return started

    yield start
    for started in children:
        started.stdin.close()
        started.stdout.close()
        started.wait()


def test_a_process_is_found_by_an_argument_of_its_own(child):
    running = child(LOYAL)
    assert process.search(MARK) == process.observe(running.pid)
    assert process.carries(running.pid, MARK)
    assert not process.carries(running.pid, MARK[:-1])


def test_a_process_that_is_no_more_is_not_found():
    assert process.search("a mark that nobody carries") is None
    assert process.observe(2**22 + 1) is None
    process.end(process.Process(2**22 + 1, 0), grace_s=1)


def refusing(number):
    def open_none(pid):
        raise OSError(number, os.strerror(number), pid)

    return open_none


def test_a_process_whose_group_outlives_it_is_gone_whatever_the_kernel_calls_that(monkeypatch):
    """Linux 6.12 says EINVAL of a number that is none but a group's or session's, 6.18 says ESRCH."""
    argv = ["/bin/sh", "-c", "exec 3<&0; cat <&3 & exit 0"]
    leader = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)
    leader.wait()
    process.end(process.Process(leader.pid, 0), grace_s=1)
    assert process.opened(leader.pid) is None
    leader.stdin.close()
    monkeypatch.setattr(os, "pidfd_open", refusing(errno.EINVAL))
    assert process.opened(leader.pid) is None


def test_a_descriptor_that_cannot_be_had_is_an_error(monkeypatch):
    monkeypatch.setattr(os, "pidfd_open", refusing(errno.EMFILE))
    with pytest.raises(OSError, match="Too many open files"):
        process.opened(os.getpid())


def test_a_zombie_counts_as_gone(child):
    running = child(LOYAL)
    before = process.observe(running.pid)
    running.stdin.close()
    running.stdout.read()
    while process.observe(running.pid) is not None:
        pass
    assert before is not None


@pytest.mark.parametrize("code", [LOYAL, STUBBORN])
def test_a_process_is_gone_when_it_was_ended(child, code):
    running = child(code)
    process.end(process.observe(running.pid), grace_s=0.2)
    assert process.observe(running.pid) is None


def test_another_process_with_the_same_pid_is_left_alone(child):
    running = child(LOYAL)
    seen = process.observe(running.pid)
    process.end(process.Process(seen.pid, seen.started - 1), grace_s=0)
    assert process.observe(running.pid) == seen


def test_a_process_is_found_by_the_directory_that_it_works_in(child, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    running = child(LOYAL)
    monkeypatch.undo()
    assert process.search_in(tmp_path, MARK) == process.observe(running.pid)
    assert process.search_in(tmp_path, "another mark") is None
    assert process.search_in(tmp_path.parent, MARK) is None
    assert process.search_in(tmp_path / "none", MARK) is None


def test_a_tied_process_runs_for_its_parent_alone(tmp_path):
    ran = tmp_path / "ran"
    command = process.tied(["touch", str(ran)])
    orphaned = ["sh", "-c", '"$@"; true', "sh", *command]  # the parent that it was meant for is not its own
    subprocess.run(orphaned, check=True)
    assert not ran.exists()
    subprocess.run(command, check=True)
    assert ran.exists()


def test_a_tied_process_is_killed_with_its_parent():
    code = (
        "import subprocess, sys, time; from lab.substrate import process;"
        "print(subprocess.Popen(process.tied(['sleep', '600'])).pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        pidfd = os.pidfd_open(pid)
        parent.kill()
    ended, _, _ = select.select([pidfd], [], [], 30)
    os.close(pidfd)
    assert ended

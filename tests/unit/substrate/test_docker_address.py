"""A daemon that cannot be reached: which one, why, and what to do."""

from __future__ import annotations

import os
import socket

import pytest

from lab.errors import HostCannot
from lab.substrate.docker_address import knock


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


def test_a_daemon_that_is_not_there_is_named_with_the_way_out(path):
    with pytest.raises(HostCannot, match=f"no Docker daemon answers on unix://{path}: No such file") as caught:
        knock()
    assert "systemctl start docker" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_daemon_that_ended_is_told_from_one_that_never_was(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    with pytest.raises(HostCannot, match="Connection refused"):
        knock()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may not")
def test_a_user_who_may_not_is_told_how_to_be_allowed(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        os.seteuid(65534)
        try:
            with pytest.raises(HostCannot, match="user 65534 may not open") as caught:
                knock()
        finally:
            os.seteuid(0)
    assert "usermod -aG docker" in str(caught.value)


def test_a_daemon_that_listens_is_knocked_at(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        knock()

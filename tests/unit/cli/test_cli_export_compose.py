"""`vpnlab export compose`, and a substrate that this host lacks."""

from __future__ import annotations

import yaml


def test_a_lab_is_printed_as_a_file_for_compose(vpnlab):
    done = vpnlab("export", "compose", "--name", "other")
    assert done.exit_code == 0
    assert yaml.safe_load(done.stdout)["name"] == "other"


def test_the_file_is_written_where_it_is_wanted(vpnlab, tmp_path):
    done = vpnlab("export", "compose", "-o", str(tmp_path / "compose.yaml"), "--subnets", "10.90.0.0/16")
    assert done.exit_code == 0
    assert "10.90.0.0/29" in (tmp_path / "compose.yaml").read_text()
    assert "up --detach" in done.stderr


def test_subnets_that_do_not_do_are_refused(vpnlab):
    for subnets, said in (("10.90.0.0/28", "holds 2 subnets"), ("10.90.0.1/16", "host bits"), ("all", "all")):
        done = vpnlab("export", "compose", "--subnets", subnets)
        assert done.exit_code == 2
        assert said in done.stderr
        assert "mend: name a" in done.stderr


def test_docker_that_is_not_there_is_exit_code_3_with_the_way_out(vpnlab, tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    done = vpnlab("up", "--substrate", "docker")
    assert done.exit_code == 3
    assert f"no lab can run in containers of this host: no Docker daemon answers on unix://{tmp_path}" in done.stderr
    assert "mend: start it (systemctl start docker)" in done.stderr

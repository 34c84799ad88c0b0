"""SAs that are rekeyed because somebody asks for it."""

from __future__ import annotations


def rekey(lab, gateway, kind, tunnel):
    """Rekey the "ike" SA or the "child" SA of a tunnel, from this gateway."""
    uri = f"unix:///run/vpnlab/{lab.name}/{gateway}/vici"
    done = lab.exec(None, ["swanctl", "--rekey", f"--{kind}", tunnel, "--uri", uri])
    assert done.returncode == 0, done.stdout + done.stderr

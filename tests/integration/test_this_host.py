"""A host that can run labs itself: the daemon and the namespaces that `--substrate netns` uses, tried where they work.

Where this host cannot, the guest of a running lab is such a host: it has root, XFRM and the programs.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from secrets import SystemRandom

import pytest

from lab.cloud.keys import generate_psk
from lab.control.computers import why_not_here
from lab.control.readiness import lacks
from lab.plan.codec import to_json
from lab.plan.compile import compile_plan
from lab.plan.report import LabReport
from lab.spec.load import reference
from lab.substrate import pace

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

START = """
import json, sys
from pathlib import Path
from secrets import SystemRandom
from lab.runtime import daemon
from lab.wire.client import connect
directory = Path("/tmp/here")
directory.mkdir(mode=0o700)
daemon.start(directory)
sockets = (directory / daemon.SOCKET,)
with connect(sockets, exclusive=False, deadline_s=60) as client:
    client.call("apply", deadline_s=120, **json.loads(sys.stdin.readline()))
    for message in client.stream("watch", deadline_s=None):
        print(json.dumps(message), flush=True)
"""
PROBE = """
import json
from lab.substrate.probe import probe_kernel
print(json.dumps({finding.name: finding.said for finding in probe_kernel()}))
"""
END = """
from pathlib import Path
from secrets import SystemRandom
from lab.runtime import daemon
from lab.wire.client import connect
with connect((Path("/tmp/here") / daemon.SOCKET,), exclusive=False, deadline_s=60) as client:
    client.call("shutdown", deadline_s=60)
"""


def test_where_labs_run_the_kernel_is_found_to_have_what_they_need(running_lab, python_there):
    done = running_lab.exec(None, [*python_there, "-c", PROBE])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(
        ("network namespace", "veth pair", "XFRM interface", "ESP"), "works"
    )


def test_a_lab_as_a_daemon_of_a_capable_host_becomes_ready_and_leaves_nothing(
    running_lab, python_there, updated_report
):
    if running_lab.substrate != "microvm":
        assert why_not_here() is None
        pytest.skip("the other tests of this run have used this host's namespaces themselves")
    lab = running_lab
    plan = compile_plan(reference().model_copy(update={"name": "here"}))
    keys = {pair.name: generate_psk(SystemRandom()) for pair in plan.tunnels}
    with lab.session() as client:
        lab.start_exec(client, None, [*python_there, "-c", START])
        order = json.dumps({"plan": to_json(plan), "keys": keys}) + "\n"
        client.send({"input": b64encode(order.encode()).decode()})
        report, buffer = LabReport("here", "", ()), b""
        while lacks(plan, report):
            message = client.receive(120 * pace.slowness())
            assert message is not None, f"still lacking: {lacks(plan, report)}"
            assert "result" not in message, f"the daemon's caller ended: {message}"
            assert "err" not in message, b64decode(message["err"]).decode()
            *lines, buffer = (buffer + b64decode(message["out"])).split(b"\n")
            for line in lines:
                report = updated_report(report, json.loads(line))
    ended = lab.exec(None, [*python_there, "-c", END], within_s=120)
    assert ended.returncode == 0, ended.stderr
    namespaces = lab.exec(None, ["ls", "/run/netns"]).stdout.decode().split()
    assert namespaces
    assert not [name for name in namespaces if name.startswith("vpnlab.here.")]
    left = lab.exec(None, ["pgrep", "-f", "/tmp/here|/run/vpnlab/here"])  # noqa: S108 - in the guest
    assert left.stdout == b"", left.stdout
    assert not lab.status().lacking, "the guest's own lab was disturbed"

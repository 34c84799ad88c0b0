"""Two endpoints alone, each from its own file, in two plain network namespaces and with nothing else of a lab.

The namespaces are made where a lab runs, in its guest for example, and stand for two hosts. The files are read and
compiled here, where pydantic is; what runs there is `python3 -m lab.runtime.alone`.
"""

from __future__ import annotations

import io
import shutil
import tarfile

import pytest
from click.testing import CliRunner
from running import Running
from there import ROOT, put_sources

from lab.cli.main import cli

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

THERE = "/tmp/endpoints"  # noqa: S108 - in the guest, which is this test's own
HOSTS = {
    "cloud": (("203.0.113.10/24", "203.0.113.20/24"), ("198.51.100.0/24", "192.0.2.0/24"), "10.0.1.1"),
    "idc": (("198.51.100.10/24", "192.0.2.10/24"), ("203.0.113.0/24",), "172.16.1.1"),
}
LOOK = """
sysctl -n net.ipv4.ip_forward net.ipv4.fib_multipath_hash_policy net.ipv4.conf.all.rp_filter
ip -o link | cut -d: -f2; ip -o -4 address; ip route; ip rule; ip xfrm state; ip xfrm policy; nft list ruleset
"""


def namespace(host):
    return f"endpoint-{host}"


def within(host, *argv):
    return ["ip", "netns", "exec", namespace(host), *argv]


def alone(host, folder):
    argv = ["env", f"PYTHONPATH={THERE}", "python3", "-m", "lab.runtime.alone", f"{folder}/node.json"]
    return within(host, *argv, "--keys", f"{folder}/keys.json")


def compiled(tmp_path):
    """The two examples with fast timers and a key each, compiled by `vpnlab endpoint plan`; a tar of the outcome."""
    archive = io.BytesIO()
    (tmp_path / "keys").mkdir(mode=0o700)
    for number in (1, 2):
        key = tmp_path / "keys" / f"office-{number}"
        key.touch(mode=0o600)
        key.write_text(f"key-of-tunnel-{number}\n")
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for host in HOSTS:
            file = tmp_path / f"{host}.yaml"
            shutil.copy(ROOT / "examples/endpoint" / file.name, file)
            file.write_text(file.read_text().replace("timers: production", "timers: fast"))
            done = CliRunner().invoke(cli, ["endpoint", "plan", str(file), "-o", str(tmp_path / host)])
            assert done.exit_code == 0, done.stderr
            tar.add(tmp_path / host, arcname=host)
    return archive.getvalue()


@pytest.fixture
def hosts(running_lab, tmp_path):
    """Two namespaces with a wire between them, each with its addresses and a network behind it."""
    lab = running_lab
    put_sources(lab, THERE)
    done = lab.exec(None, ["tar", "-C", THERE, "-xf", "-"], stdin=compiled(tmp_path))
    assert done.returncode == 0, done.stderr
    script = [f"ip netns add {namespace(host)}" for host in HOSTS]
    ends = (f"netns {namespace(host)}" for host in HOSTS)
    script.append("ip link add name wan {} type veth peer name wan {}".format(*ends))
    for host, (addresses, peers, inside) in HOSTS.items():
        ip = f"ip -n {namespace(host)}"
        script += [f"{ip} link set lo up", f"{ip} link set wan up", f"{ip} link add lan type dummy"]
        script += [f"{ip} address add {address} dev wan" for address in addresses]
        script += [f"{ip} address add {inside}/24 dev lan", f"{ip} link set lan up"]
        script += [f"{ip} route add {peer} dev wan" for peer in peers]
    done = lab.exec(None, ["sh", "-ec", "\n".join(script)])
    assert done.returncode == 0, done.stderr
    yield lab
    for host in HOSTS:
        lab.exec(None, ["sh", "-c", f"ip netns pids {namespace(host)} | xargs -r kill -9"])
        lab.exec(None, ["ip", "netns", "delete", namespace(host)])


def look(lab, host):
    done = lab.exec(None, within(host, "sh", "-c", LOOK))
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


def is_ready(endpoint, route, *, since=0):
    def told(lines):
        new = [line.partition(" ")[2] for line in lines[since:]]
        return any(line.startswith("ready: 2 tunnels up, 2 BGP") for line in new) and any(
            line.startswith(f"route {route} (bgp) over xfrm1") and "xfrm2" in line for line in new
        )

    endpoint.wait_for(told, "two tunnels, two sessions and a route over both")


def test_two_endpoints_negotiate_exchange_routes_survive_a_kill_and_leave_nothing(hosts):
    lab = hosts
    before = {host: look(lab, host) for host in HOSTS}
    with lab.session() as one, lab.session() as other:
        cloud = Running(lab, one, alone("cloud", f"{THERE}/cloud"))
        idc = Running(lab, other, alone("idc", f"{THERE}/idc"))
        is_ready(cloud, "172.16.1.0/24")
        is_ready(idc, "10.0.1.0/24")
        ping = lab.exec(None, within("cloud", "ping", "-c", "3", "-W", "5", "-I", "10.0.1.1", "172.16.1.1"))
        assert ping.returncode == 0, ping.stdout
        counted = lab.exec(None, within("idc", "ip", "-s", "xfrm", "state"))
        assert counted.stdout.count(b"proto esp") == 4, counted.stdout
        for name in ("cloud", "office"):
            asked = ["env", f"PYTHONPATH={THERE}", "python3", "-m", "lab.runtime.health", f"/run/vpnlab-alone/{name}"]
            health = lab.exec(None, asked)
            assert (health.returncode, health.stdout) == (0, b""), health
            mode = lab.exec(None, ["stat", "-c", "%a", f"/run/vpnlab-alone/{name}/node.sock"])
            assert mode.stdout == b"600\n"
        told = len(cloud.lines)
        idc.signal("KILL")
        assert idc.wait() == 128 + 9
        cloud.wait_for(lambda lines: any(" not ready: " in line for line in lines[told:]), "news of the peer's end")
        assert "xfrm1" in "\n".join(look(lab, "idc")), "the killed endpoint has left nothing that could be in the way"
        told = len(cloud.lines)
        again = Running(lab, other, alone("idc", f"{THERE}/idc"))
        is_ready(again, "10.0.1.0/24")
        is_ready(cloud, "172.16.1.0/24", since=told)
        again.signal("INT")
        cloud.signal("TERM")
        for endpoint in (again, cloud):
            assert endpoint.wait() == 0, endpoint.lines[-5:]
            assert endpoint.lines[-1].endswith("ended; nothing is left")
    assert {host: look(lab, host) for host in HOSTS} == before
    assert lab.exec(None, ["ip", "netns", "pids", namespace("idc")]).stdout == b""
    assert lab.exec(None, ["ip", "netns", "pids", namespace("cloud")]).stdout == b""


def test_an_endpoint_touches_nothing_where_somebody_elses_ipsec_lives(hosts):
    lab = hosts
    state = ["ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x100",
             "mode", "tunnel", "aead", "rfc4106(gcm(aes))", "0x" + "00" * 20, "128"]  # fmt: skip
    assert lab.exec(None, within("cloud", *state)).returncode == 0
    before = look(lab, "cloud")
    with lab.session() as client:
        cloud = Running(lab, client, alone("cloud", f"{THERE}/cloud"))
        assert cloud.wait() == 3, cloud.lines
    assert "this network namespace has IPsec or routes of somebody else: 1 SAs" in "\n".join(cloud.lines)
    assert look(lab, "cloud") == before

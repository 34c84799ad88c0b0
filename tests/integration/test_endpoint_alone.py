"""Two endpoints alone, each from its own file, in two plain network namespaces and with nothing else of a lab.

The namespaces are made where a lab runs, in its guest for example, and stand for two hosts. The files are read and
compiled here, where pydantic is; what runs there is `python3 -m lab.runtime.alone`.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from running import Running
from there import ROOT

from lab.cli.main import cli

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

THERE = "/tmp/endpoints"  # noqa: S108 - in the guest, or on a host that is there for tests
HOSTS = {
    "cloud": (("203.0.113.10/24", "203.0.113.20/24"), ("198.51.100.0/24", "192.0.2.0/24"), "10.0.1.1"),
    "idc": (("198.51.100.10/24", "192.0.2.10/24"), ("203.0.113.0/24",), "172.16.1.1"),
}
NAT = """
for host in cloud nat idc; do ip netns add endpoint-$host; ip -n endpoint-$host link set lo up; done
ip link add name wan netns endpoint-cloud type veth peer name inside netns endpoint-nat
ip link add name wan netns endpoint-idc type veth peer name outside netns endpoint-nat
for address in 198.51.100.10 192.0.2.10; do ip -n endpoint-idc address add $address/24 dev wan; done
for address in 203.0.113.10 203.0.113.20; do ip -n endpoint-nat address add $address/24 dev outside; done
ip -n endpoint-nat address add 172.30.0.1/24 dev inside
ip -n endpoint-cloud address add 172.30.0.2/24 dev wan
for end in cloud:wan nat:inside nat:outside idc:wan; do ip -n endpoint-${end%:*} link set ${end#*:} up; done
for lan in cloud:10.0.1.1 idc:172.16.1.1; do
    ip -n endpoint-${lan%:*} link add lan type dummy
    ip -n endpoint-${lan%:*} address add ${lan#*:}/24 dev lan
    ip -n endpoint-${lan%:*} link set lan up
done
ip -n endpoint-cloud route add default via 172.30.0.1
ip -n endpoint-idc route add 203.0.113.0/24 dev wan
ip -n endpoint-nat route add 198.51.100.0/24 dev outside
ip -n endpoint-nat route add 192.0.2.0/24 dev outside
ip netns exec endpoint-nat sysctl -qw net.ipv4.ip_forward=1
ip netns exec endpoint-nat nft -f - <<'RULES'
table ip nat {
    chain in { type nat hook prerouting priority dstnat; iifname "outside" udp dport { 500, 4500 } dnat to 172.30.0.2; }
    chain out {
        type nat hook postrouting priority srcnat;
        oifname "outside" ip daddr 198.51.100.10 snat to 203.0.113.10
        oifname "outside" ip daddr 192.0.2.10 snat to 203.0.113.20
    }
}
RULES
"""
LOOK = """
sysctl -n net.ipv4.ip_forward net.ipv4.fib_multipath_hash_policy net.ipv4.conf.all.rp_filter
ip -o link | cut -d: -f2; ip -o -4 address; ip route; ip rule; ip xfrm state; ip xfrm policy; nft list ruleset
"""


def namespace(host):
    return f"endpoint-{host}"


def within(host, *argv):
    return ["ip", "netns", "exec", namespace(host), *argv]


def alone(python, host):
    folder = f"{THERE}/{host}"
    return within(host, *python, "-m", "lab.runtime.alone", f"{folder}/node.json", "--keys", f"{folder}/keys.json")


def compiled(tmp_path, **edits):
    """The two examples with fast timers and a key each, compiled by `vpnlab endpoint plan`; a tar of the outcome.

    `edits` are replacements in the file of a side.
    """
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
            text = file.read_text().replace("timers: production", "timers: fast")
            for old, new in edits.get(host, ()):
                assert old in text
                text = text.replace(old, new)
            file.write_text(text)
            done = CliRunner().invoke(cli, ["endpoint", "plan", str(file), "-o", str(tmp_path / host)])
            assert done.exit_code == 0, done.stderr
            tar.add(tmp_path / host, arcname=host)
    return archive.getvalue()


@pytest.fixture
def hosts(running_lab, tmp_path):
    """Two namespaces with a wire between them, each with its addresses and a network behind it."""
    lab = running_lab
    put(lab, compiled(tmp_path))
    script = [f"ip netns add {namespace(host)}" for host in HOSTS]
    ends = (f"netns {namespace(host)}" for host in HOSTS)
    script.append("ip link add name wan {} type veth peer name wan {}".format(*ends))
    for host, (addresses, peers, inside) in HOSTS.items():
        ip = f"ip -n {namespace(host)}"
        script += [f"{ip} link set lo up", f"{ip} link set wan up", f"{ip} link add lan type dummy"]
        script += [f"{ip} address add {address} dev wan" for address in addresses]
        script += [f"{ip} address add {inside}/24 dev lan", f"{ip} link set lan up"]
        script += [f"{ip} route add {peer} dev wan" for peer in peers]
    make(lab, script)
    yield lab
    remove(lab, HOSTS)


@pytest.fixture
def host_behind_nat(running_lab, tmp_path):
    """The cloud's end as Docker publishes it: a NAT has its public addresses and leads UDP 500 and 4500 to it."""
    lab = running_lab
    own = "own_address: 172.30.0.2\n    psk_file:"
    put(lab, compiled(tmp_path, cloud=[("psk_file:", own)], idc=[("side: idc", "side: idc\nnat: true")]))
    make(lab, NAT.splitlines())
    yield lab
    remove(lab, (*HOSTS, "nat"))


def put(lab, archive):
    assert lab.exec(None, ["mkdir", "-p", THERE]).returncode == 0
    done = lab.exec(None, ["tar", "-C", THERE, "-xf", "-"], stdin=archive)
    assert done.returncode == 0, done.stderr


def make(lab, script):
    done = lab.exec(None, ["sh", "-ec", "\n".join(script)])
    assert done.returncode == 0, done.stderr


def remove(lab, hosts):
    for host in hosts:
        lab.exec(None, ["sh", "-c", f"ip netns pids {namespace(host)} | xargs -r kill -9"])
        lab.exec(None, ["ip", "netns", "delete", namespace(host)])
    lab.exec(None, ["rm", "-r", THERE])


@contextmanager
def telling(lab, *endpoints):
    """What fails in the block says what each endpoint and its charon said."""
    try:
        yield
    except AssertionError as error:
        for endpoint in endpoints:
            error.add_note("\n".join(("an endpoint said:", *endpoint.lines_so_far()[-20:])))
        logs = lab.exec(None, ["sh", "-c", "tail -n 40 /run/vpnlab-alone/*/charon.log"]).stdout
        error.add_note(logs.decode(errors="replace"))
        raise


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


def test_two_endpoints_negotiate_exchange_routes_survive_a_kill_and_leave_nothing(hosts, python_there):
    lab = hosts
    before = {host: look(lab, host) for host in HOSTS}
    with lab.session() as one, lab.session() as other:
        cloud = Running(lab, one, alone(python_there, "cloud"))
        idc = Running(lab, other, alone(python_there, "idc"))
        with telling(lab, cloud, idc):
            is_ready(cloud, "172.16.1.0/24")
            is_ready(idc, "10.0.1.0/24")
        ping = lab.exec(None, within("cloud", "ping", "-c", "3", "-W", "5", "-I", "10.0.1.1", "172.16.1.1"))
        assert ping.returncode == 0, ping.stdout
        counted = lab.exec(None, within("idc", "ip", "-s", "xfrm", "state"))
        assert counted.stdout.count(b"proto esp") == 4, counted.stdout
        for name in ("cloud", "office"):
            asked = [*python_there, "-m", "lab.runtime.health", f"/run/vpnlab-alone/{name}"]
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
        again = Running(lab, other, alone(python_there, "idc"))
        is_ready(again, "10.0.1.0/24")
        is_ready(cloud, "172.16.1.0/24", since=told)
        again.signal("INT")
        cloud.signal("TERM")
        for endpoint in (again, cloud):
            assert endpoint.wait() == 0, endpoint.lines[-5:]
            assert endpoint.lines[-1].endswith("ended; nothing is left")
    for host in HOSTS:
        assert "\n".join(look(lab, host)) == "\n".join(before[host])
    assert lab.exec(None, ["ip", "netns", "pids", namespace("idc")]).stdout == b""
    assert lab.exec(None, ["ip", "netns", "pids", namespace("cloud")]).stdout == b""


def test_an_endpoint_touches_nothing_where_somebody_elses_ipsec_lives(hosts, python_there):
    lab = hosts
    state = ["ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x100",
             "mode", "tunnel", "aead", "rfc4106(gcm(aes))", "0x" + "00" * 20, "128"]  # fmt: skip
    assert lab.exec(None, within("cloud", *state)).returncode == 0
    before = look(lab, "cloud")
    with lab.session() as client:
        cloud = Running(lab, client, alone(python_there, "cloud"))
        with telling(lab, cloud):
            assert cloud.wait() == 3
    assert "this network namespace has IPsec or routes of somebody else: 1 SAs" in "\n".join(cloud.lines)
    assert look(lab, "cloud") == before


def test_an_endpoint_whose_ports_are_published_by_a_nat_is_the_other_end_of_a_public_one(host_behind_nat, python_there):
    lab = host_behind_nat
    with lab.session() as one, lab.session() as other:
        cloud = Running(lab, one, alone(python_there, "cloud"))
        idc = Running(lab, other, alone(python_there, "idc"))
        with telling(lab, cloud, idc):
            is_ready(cloud, "172.16.1.0/24")
            is_ready(idc, "10.0.1.0/24")
        ping = lab.exec(None, within("idc", "ping", "-c", "3", "-W", "5", "-I", "172.16.1.1", "10.0.1.1"))
        assert ping.returncode == 0, ping.stdout
        states = lab.exec(None, within("cloud", "ip", "xfrm", "state")).stdout
        assert states.count(b"encap type espinudp sport 4500") == 4, states
        for endpoint in (cloud, idc):
            endpoint.signal("TERM")
        for endpoint in (cloud, idc):
            assert endpoint.wait() == 0, endpoint.lines[-5:]


def test_a_namespace_made_where_another_was_is_another_one(running_lab, python_there):
    lab = running_lab
    asked = "from lab.runtime.premises import _namespace; print(_namespace())"
    script = f"ip netns add again; ip netns exec again {' '.join(python_there)} -c '{asked}'; ip netns delete again"
    one, other = (lab.exec(None, ["sh", "-ec", script]) for _ in range(2))
    assert one.returncode == other.returncode == 0, one.stderr
    assert one.stdout != other.stdout

"""Every parameter of a tunnel on real engines: one lab of 24 tunnels, no two of which have the same settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tunnel_matrix as matrix
from replanning import changed

from lab.control import record
from lab.control.readiness import lacks
from lab.plan.codec import to_json

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]

PACKETS, BYTES = 20, 20_000
LIFETIMES = {f"new-{n}": {"ipsec_sa_life_pkt": PACKETS} for n in range(1, 9)} | {
    f"{mode}-3": {"ipsec_sa_life_byte": BYTES} for mode in ("main", "aggr")
}
WITH_DPD = {f"{mode}-5" for mode in matrix.MODES}
LIFETIME_S = 30
"""Half the cloud's shortest, so that the last test need not wait for a minute."""
SHORT_LIVED = {f"{mode}-7" for mode in matrix.MODES}


@pytest.fixture(scope="module")
def lab(lab_of, tmp_path_factory):
    changes = {
        name: LIFETIMES.get(name, {}) | ({} if name in WITH_DPD else {"ike_dpd_sec": 0})
        for name in matrix.all_settings()
    }
    path = tmp_path_factory.mktemp("matrix") / "matrix.vpnlab.yaml"
    path.write_text(matrix.topology(changes))
    with lab_of(path) as running:
        running.call("apply", plan=to_json(with_short_lives(running.plan)), keys=record.read_keys(running.name))
        running.wait_for(lambda report: not lacks(running.plan, report), "all tunnels", within_s=60)
        yield running


def with_short_lives(plan):
    for node in ("bgw1", *(f"{mode}-gw" for mode in matrix.MODES)):
        endpoint = plan.node(node).endpoint
        ends = tuple(
            replace(end, ike_lifetime_s=LIFETIME_S, child_lifetime_s=LIFETIME_S) if end.name in SHORT_LIVED else end
            for end in endpoint.tunnels
        )
        plan = changed(plan, node, endpoint=replace(endpoint, tunnels=ends))
    return plan


def reports(report, node="bgw1"):
    return {tunnel.name: tunnel for tunnel in report.node(node).report.endpoint.tunnels}


def ping(lab, names, *arguments):
    """Ping from the border gateway through the named tunnels at once; a list of those that lost a packet."""
    ends = {tunnel.name: tunnel for tunnel in lab.plan.node("bgw1").endpoint.tunnels}
    words = " ".join(arguments)
    script = "; ".join(
        f"(ping -n -q -W 5 {words} -I {ends[name].interface} {ends[name].peer_inner} >/dev/null || echo {name}) &"
        for name in names
    )
    return lab.exec("bgw1", ["bash", "-c", script.replace("&;", "&") + " wait"]).stdout.split()


def await_rekeyed(lab, kind, names, since):
    for name in names:
        lab.wait_for_event(
            lambda e, name=name: (e.node, e.kind, e.subject) == ("bgw1", kind, name), f"{kind} of {name}", since=since
        )


def test_all_values_of_all_parameters_are_in_the_lab():
    for mode in matrix.MODES:
        ours = [matrix.settings(mode, number) for number in range(8)]
        for parameter, values in (
            ("ike_cipher", matrix.IKE_CIPHERS), ("ike_auth", matrix.IKE_HASHES), ("ike_key_exchange", matrix.GROUPS),
            ("ipsec_cipher", matrix.ESP_CIPHERS), ("ipsec_auth", matrix.ESP_HASHES),
            ("ipsec_key_exchange", matrix.PFS),
        ):  # fmt: skip
            assert {settings[parameter] for settings in ours} == set(values)


@pytest.mark.parametrize("mode", matrix.MODES)
def test_both_ends_have_chosen_what_the_parameters_say(lab, mode):
    report = lab.status().report
    for node in ("bgw1", f"{mode}-gw"):
        for number in range(8):
            parameters, tunnel = matrix.settings(mode, number), reports(report, node)[f"{mode}-{number + 1}"]
            ike, esp = matrix.proposals(parameters)
            assert f"v{tunnel.ike.version}" == parameters["ike_version"]
            assert tunnel.ike.proposal == ike
            # The first child SA of IKEv2 takes its keys from IKE_AUTH, with or without PFS.
            group = matrix.PFS[parameters["ipsec_key_exchange"]] if mode != "new" else ""
            assert tunnel.child.proposal == "/".join(filter(None, (esp, group)))


def test_a_ping_passes_every_tunnel(lab):
    assert ping(lab, matrix.all_settings(), "-c 1") == []


def test_each_end_has_shown_the_identity_that_it_was_given(lab):
    listed = lab.exec(
        "bgw1", ["swanctl", "--list-sas", "--raw", "--uri", f"unix:///run/vpnlab/{lab.name}/bgw1/vici"]
    ).stdout.decode()
    for name, parameters in matrix.all_settings().items():
        (end,) = (end for end in lab.plan.node("bgw1").endpoint.tunnels if end.name == name)
        (line,) = (line for line in listed.splitlines() if line.startswith(f"list-sa event {{{name} "))
        local_id = parameters.get("local_id", end.local_address)
        remote_id = parameters.get("remote_id", end.remote_address)
        assert f" local-id={local_id} " in line
        assert f" remote-id={remote_id} " in line


def test_a_child_sa_that_has_carried_its_packets_is_rekeyed_with_its_pfs_group(lab):
    names, since = [f"new-{n}" for n in range(1, 9)], lab.last_event()
    assert ping(lab, names, f"-c {PACKETS} -i 0.3") == []
    await_rekeyed(lab, "child-rekeyed", names, since)
    report = lab.status().report
    for number, name in enumerate(names):
        parameters = matrix.settings("new", number)
        esp, group = matrix.proposals(parameters)[1], matrix.PFS[parameters["ipsec_key_exchange"]]
        for node in ("bgw1", "new-gw"):
            assert reports(report, node)[name].child.proposal == "/".join(filter(None, (esp, group)))


def test_a_child_sa_that_has_carried_its_bytes_is_rekeyed(lab):
    names, since = ["main-3", "aggr-3"], lab.last_event()
    assert ping(lab, names, f"-c 20 -i 0.2 -s {BYTES // 20}") == []
    await_rekeyed(lab, "child-rekeyed", names, since)


def test_sas_that_have_lived_their_seconds_are_replaced_and_the_tunnel_stays_up(lab):
    await_rekeyed(lab, "child-rekeyed", SHORT_LIVED, 0)
    await_rekeyed(lab, "ike-rekeyed", SHORT_LIVED, 0)
    assert ping(lab, SHORT_LIVED, "-c 3") == []
    events = [event for event in lab.events() if event.subject in SHORT_LIVED]
    first = min(event.number for event in events if event.kind.endswith("-rekeyed"))
    assert [event for event in events if event.number > first and event.kind == "tunnel-down"] == []


def test_dead_peer_detection_finds_the_silent_peer_of_those_tunnels_that_have_it(lab):
    before = reports(lab.status().report)
    drop = "table ip cut { chain forward { type filter hook forward priority 0; policy drop; }; }"
    lab.exec("internet", ["nft", drop])
    report = lab.wait_for(
        lambda report: not any(reports(report)[name].state == "up" for name in WITH_DPD), "end of the tunnels with DPD"
    )
    for name in set(matrix.all_settings()) - WITH_DPD - SHORT_LIVED:
        assert reports(report)[name].state == "up"
        assert reports(report)[name].child.spi_in == before[name].child.spi_in
    lab.exec("internet", ["nft", "delete table ip cut"])
    lab.wait_for(lambda report: not lacks(lab.plan, report), "all tunnels again", within_s=60)

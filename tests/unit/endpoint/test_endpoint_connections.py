from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoint.connections import connection, shared_key
from endpoint.plan import Retransmission, TunnelPlan
from endpoint.settings import render_settings

TUNNEL = TunnelPlan(
    name="hq/1",
    interface="vpn1",
    if_id=7,
    local_address=IPv4Address("203.0.113.10"),
    remote_address=IPv4Address("198.51.100.10"),
    local_id="203.0.113.10",
    remote_id="customer",
    inner=IPv4Interface("169.254.10.2/30"),
    peer_inner=IPv4Address("169.254.10.1"),
    inner_mtu=1400,
    initiate=True,
)


def seconds(text):
    assert text.endswith("s")
    return int(text[:-1])


def test_load_conn_is_told_the_whole_tunnel():
    assert connection(TUNNEL) == {
        "hq/1": {
            "version": "2",
            "aggressive": "no",
            "local_addrs": ["203.0.113.10"],
            "remote_addrs": ["198.51.100.10"],
            "proposals": ["aes128-sha256-ecp256"],
            "unique": "no",
            "mobike": "no",
            "keyingtries": "0",
            "dpd_delay": "10s",
            "dpd_timeout": "30s",
            "local": {"auth": "psk", "id": "203.0.113.10"},
            "remote": {"auth": "psk", "id": "customer"},
            "rekey_time": "12960s",
            "over_time": "1440s",
            "rand_time": "1440s",
            "reauth_time": "0s",
            "children": {
                "hq/1": {
                    "mode": "tunnel",
                    "esp_proposals": ["aes128-sha256"],
                    "local_ts": ["0.0.0.0/0"],
                    "remote_ts": ["0.0.0.0/0"],
                    "start_action": "none",
                    "close_action": "none",
                    "dpd_action": "restart",
                    "life_time": "3600",
                    "rekey_time": "3240",
                    "rand_time": "360",
                    "life_packets": "0",
                    "rekey_packets": "0",
                    "rand_packets": "0",
                    "life_bytes": "0",
                    "rekey_bytes": "0",
                    "rand_bytes": "0",
                    "if_id_in": "7",
                    "if_id_out": "7",
                }
            },
        }
    }


def test_only_the_end_that_initiates_restarts_a_tunnel_whose_peer_died():
    child = connection(replace(TUNNEL, initiate=False))["hq/1"]["children"]["hq/1"]
    assert child["dpd_action"] == "clear"


def test_without_an_if_id_the_child_names_none():
    child = connection(replace(TUNNEL, if_id=0))["hq/1"]["children"]["hq/1"]
    assert not child.keys() & {"if_id_in", "if_id_out"}


@given(st.integers(2, 86400))
def test_rekeying_starts_within_the_lifetime_and_the_lifetime_is_never_passed(lifetime):
    conn = connection(replace(TUNNEL, ike_lifetime_s=lifetime, child_lifetime_s=lifetime))["hq/1"]
    rekey, over, rand = (seconds(conn[key]) for key in ("rekey_time", "over_time", "rand_time"))
    assert rekey + over == lifetime
    assert 0 <= rekey - rand < lifetime
    child = conn["children"]["hq/1"]
    assert 0 <= int(child["rekey_time"]) - int(child["rand_time"]) < int(child["life_time"]) == lifetime


@pytest.mark.parametrize(("version", "initiate"), [(1, True), (2, True), (2, False)])
def test_an_ike_sa_lives_as_long_as_planned_at_whichever_end_replaces_it(version, initiate):
    conn = connection(replace(TUNNEL, ike_version=version, initiate=initiate, ike_lifetime_s=1000))["hq/1"]
    assert (conn["rekey_time"], conn["over_time"], conn["rand_time"]) == ("900s", "100s", "100s")


def test_with_ikev1_the_end_that_responds_leaves_new_sas_to_the_other_one():
    end = replace(TUNNEL, ike_version=1, initiate=False, ike_lifetime_s=1000, child_lifetime_packets=500)
    conn = connection(end)["hq/1"]
    assert seconds(conn["rekey_time"]) - seconds(conn["rand_time"]) > 1000
    child = conn["children"]["hq/1"]
    assert (child["life_time"], child["life_packets"]) == ("3600", "500")
    assert {child[f"rekey_{unit}"] for unit in ("time", "packets", "bytes")} == {"0"}


def test_a_key_belongs_to_the_identities_of_its_tunnel_and_may_begin_like_an_encoding():
    assert shared_key(TUNNEL, "0xff") == {
        "id": "hq/1",
        "type": "ike",
        "data": b"0xff",
        "owners": ["203.0.113.10", "customer"],
    }


@pytest.mark.parametrize("wanted", ["retransmit_timeout = 2.0", "retransmit_base = 1.4", "retransmit_tries = 3"])
def test_the_retransmission_schedule_is_a_setting_of_the_daemon(wanted):
    settings = render_settings(Path("/run/x"), Retransmission(timeout_s=2.0, base=1.4, tries=3))
    assert wanted in settings.replace("    ", "").splitlines()


def test_a_daemon_shares_nothing_with_another_and_leaves_routes_alone():
    settings = render_settings(Path("/run/x"), Retransmission(2.0, 1.4, 3))
    assert settings.count("/run/x/") == 2
    assert "socket = unix:///run/x/vici" in settings
    assert "path = /run/x/charon.log" in settings
    assert "install_routes = no" in settings
    assert settings.count("{") == settings.count("}")

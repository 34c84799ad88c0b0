"""As many VPN connections as the quota allows on one border gateway."""

from __future__ import annotations

import json

import pytest

from bench.topologies import with_connections
from lab.cloud.quotas import VPN_CONNECTIONS

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_border_gateway_has_ten_connections_of_two_tunnels(lab_of, tmp_path):
    topology = tmp_path / "ten.vpnlab.yaml"
    topology.write_text(with_connections(VPN_CONNECTIONS.limit, name="ten"))
    with lab_of(topology) as lab:
        told = json.loads(lab.vpnlab("status", "-f", "json").stdout)
        assert told["lacking"] == []
        assert [one["ha_status"] for one in told["vpn_connections"]] == ["redundancy"] * 10
        states = [tunnel["operational_status"] for one in told["vpn_connections"] for tunnel in one["tunnels"]]
        assert states == ["UP"] * 20

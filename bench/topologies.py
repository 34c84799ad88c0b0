"""Topologies that differ in size alone."""

from __future__ import annotations

import yaml


def with_connections(count: int, *, name: str) -> str:
    """A topology file: one border gateway with so many VPN connections, each of two tunnels to a customer."""
    numbers = range(1, count + 1)
    topology = {
        "vpnlab": 1,
        "name": name,
        "timers": "fast",
        "cloud": {
            "border_gateways": {"bgw1": {}},
            "vpcs": {
                "app": {
                    "cidr": "10.0.0.0/16",
                    "subnets": {"web": "10.0.1.0/24"},
                    "instances": {"vm1": {"subnet": "web", "address": "10.0.1.10"}},
                }
            },
            "vpc_attachments": [{"vpc": "app", "border_gateway": "bgw1"}],
            "customer_gateways": {
                f"site{n}": {"asn": 65010 + n, "public_addresses": [f"198.51.100.{n}", f"192.0.2.{n}"]} for n in numbers
            },
            "vpn_connections": {
                f"site{n}": {"border_gateway": "bgw1", "customer_gateway": f"site{n}"} for n in numbers
            },
        },
        "idc": {
            "devices": {
                f"site{n}-gw": {
                    "customer_gateway": f"site{n}",
                    "lans": {"lan": {"cidr": f"172.16.{n}.0/24", "hosts": {f"site{n}-host": f"172.16.{n}.10"}}},
                }
                for n in numbers
            }
        },
    }
    return yaml.safe_dump(topology, sort_keys=False)

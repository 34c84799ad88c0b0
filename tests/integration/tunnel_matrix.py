"""A topology whose tunnels take every value of every IKE and ESP parameter, on each IKE version and mode.

Three connections of eight tunnels: four customer addresses times two cloud addresses. The lists are walked at paces
that have no common factor, so that a connection sees each value at least once and neighbours differ in everything.
"""

from __future__ import annotations

import json
from itertools import product

IKE_CIPHERS = {"aes128": "AES_CBC-128", "aes192": "AES_CBC-192", "aes256": "AES_CBC-256", "3des": "3DES_CBC"}
IKE_HASHES = {
    "sha1": "HMAC_SHA1_96/PRF_HMAC_SHA1",
    "sha256": "HMAC_SHA2_256_128/PRF_HMAC_SHA2_256",
    "sha384": "HMAC_SHA2_384_192/PRF_HMAC_SHA2_384",
}
ESP_CIPHERS = {"aes128": "AES_CBC-128", "aes192": "AES_CBC-192", "aes256": "AES_CBC-256"}
ESP_HASHES = {"sha1": "HMAC_SHA1_96", "sha256": "HMAC_SHA2_256_128", "sha384": "HMAC_SHA2_384_192"}
GROUPS = {"modp1024": "MODP_1024", "modp1536": "MODP_1536", "modp2048": "MODP_2048", "ecp256": "ECP_256",
          "ecp384": "ECP_384"}  # fmt: skip
PFS = {None: ""} | GROUPS
"""In the cloud's words, and as charon lists what it has chosen."""

MODES = {"new": ("v2", "main"), "main": ("v1", "main"), "aggr": ("v1", "aggressive")}
IDENTITIES = (None, "gw{0}.example.net", "vpn@gw{0}.example.net", "10.9.0.{0}")
"""None: the public address."""


def settings(connection, number):
    """The parameters of tunnel `number` (from 0) of a connection."""
    version, mode = MODES[connection]
    identity = IDENTITIES[number % len(IDENTITIES)]
    whose = 1 + 8 * list(MODES).index(connection) + number
    return {
        "ike_version": version,
        "ike_mode": mode,
        "ike_cipher": [*IKE_CIPHERS][number % 4],
        "ike_auth": [*IKE_HASHES][number % 3],
        "ike_key_exchange": [*GROUPS][number % 5],
        "ipsec_cipher": [*ESP_CIPHERS][(number + number // 3) % 3],
        "ipsec_auth": [*ESP_HASHES][number % 3],
        "ipsec_key_exchange": [*PFS][number % 6],
    } | ({"local_id": identity.format(whose), "remote_id": identity.format(100 + whose)} if identity else {})


def proposals(parameters):
    """The IKE proposal and the ESP proposal without its PFS group, as charon lists them."""
    ike = (
        IKE_CIPHERS[parameters["ike_cipher"]],
        IKE_HASHES[parameters["ike_auth"]],
        GROUPS[parameters["ike_key_exchange"]],
    )
    return "/".join(ike), f"{ESP_CIPHERS[parameters['ipsec_cipher']]}/{ESP_HASHES[parameters['ipsec_auth']]}"


def all_settings():
    """The parameters of every tunnel, by the tunnel's name."""
    return {f"{name}-{number + 1}": settings(name, number) for name in MODES for number in range(8)}


def topology(changes=None):
    """The file's text; `changes` are further parameters by tunnel name."""
    devices, customers, connections = {}, {}, {}
    for position, name in enumerate(MODES):
        addresses = [f"198.51.100.{10 * position + n}" for n in range(1, 5)]
        cloud = [f"203.0.113.{10 * position + n}" for n in (1, 2)]
        customers[name] = {"asn": 65010 + position, "public_addresses": addresses}
        devices[f"{name}-gw"] = {"customer_gateway": name}
        tunnels = [
            {"cloud_address": here, "customer_address": there}
            | settings(name, number)
            | (changes or {}).get(f"{name}-{number + 1}", {})
            for number, (here, there) in enumerate(product(cloud, addresses))
        ]
        connections[name] = {
            "border_gateway": "bgw1", "customer_gateway": name, "public_addresses": cloud, "bgp": False,
            "tunnels": tunnels,
        }  # fmt: skip
    cloud_side = {"border_gateways": {"bgw1": {}}, "customer_gateways": customers, "vpn_connections": connections}
    return json.dumps(
        {"vpnlab": 1, "name": "matrix", "timers": "fast", "cloud": cloud_side, "idc": {"devices": devices}}
    )

"""An endpoint file on this host: what it comes to here, and the endpoint itself in the foreground."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from endpoint.interfaces import observe_interfaces
from lab.control.exporting import write_anew
from lab.errors import HostCannot, UsageError
from lab.plan.bundle import Bundle
from lab.plan.codec import to_json
from lab.plan.endpoint import compile_endpoint
from lab.runtime.alone import run
from lab.spec.endpoint_load import load_endpoint
from lab.spec.endpoint_model import AUTO, EndpointSpec

IKE_PORT = 500


@dataclass(frozen=True, slots=True)
class Compiled:
    """An endpoint as its agent is given it."""

    bundle: Bundle
    keys: dict[str, str]


def compile_file(path: Path) -> Compiled:
    """What the agent of an endpoint file is given on this host. Raises SpecError, HostCannot."""
    spec, keys = load_endpoint(path, os.environ)
    return Compiled(Bundle(compile_endpoint(spec, own_addresses(spec))), keys)


def own_addresses(spec: EndpointSpec) -> dict[IPv4Address, IPv4Address]:
    """The address of this host behind each public one of this end that a NAT keeps. Raises HostCannot."""
    found: dict[IPv4Address, IPv4Address] = {}
    for tunnel in spec.tunnels:
        if tunnel.own_address is not None:
            peer = spec.peer_address(tunnel)
            own = _address_towards(peer) if tunnel.own_address == AUTO else IPv4Address(tunnel.own_address)
            found[spec.own_public_address(tunnel)] = own
    return found


def be(compiled: Compiled, directory: Path, say: Callable[[str], None]) -> None:
    """Be the endpoint until a signal ends it. Raises HostCannot where this host has not the addresses for it."""
    here = {address.ip for port in observe_interfaces() for address in port.addresses}
    endpoint = compiled.bundle.plan.endpoint
    for tunnel in endpoint.tunnels if endpoint is not None and not compiled.bundle.plan.interfaces else ():
        if tunnel.local_address not in here:
            raise HostCannot(
                f"tunnel {tunnel.name}: this host has no address {tunnel.local_address}",
                mend="give it to an interface, or write own_address: auto where a NAT leads to this host",
            )
    run(compiled.bundle, compiled.keys, directory, say)


def write(compiled: Compiled, directory: Path) -> None:
    """Write the plan and, closed to others, the keys into a folder. Raises UsageError."""
    try:
        write_anew(directory / "node.json", json.dumps(to_json(compiled.bundle), indent=2) + "\n", 0o644)
        write_anew(directory / "keys.json", json.dumps(compiled.keys, indent=2) + "\n", 0o600)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}", mend="name a folder that can be written") from error


def _address_towards(peer: IPv4Address) -> IPv4Address:
    """The address that this host sends to `peer` from. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.connect((str(peer), IKE_PORT))
        except OSError as error:
            raise HostCannot(f"no way leads to {peer}: {error.strerror}", mend="see `ip route`") from error
        return IPv4Address(any_socket.getsockname()[0])

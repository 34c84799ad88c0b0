"""Two endpoints on this host: through its own XFRM where it has that, negotiation alone with user-space ESP."""

import os
from pathlib import Path

import endpoint_trials as trials
import pytest
from pyroute2 import netns
from pyroute2.netlink.exceptions import NetlinkError

from endpoint.crypto import load_kernel_modules
from endpoint.daemon import CHARON, present_plugins
from endpoint.errors import EndpointError
from endpoint.plan import EndpointPlan
from endpoint.xfrm import apply_xfrm_interfaces

pytestmark = pytest.mark.timeout(180)


def lacking() -> str | None:
    """What this host lacks for an endpoint, whatever its data plane."""
    if os.geteuid() != 0:
        return "this is not root, so no network namespace can be created"
    if not CHARON.exists():
        return f"{CHARON} does not exist (Debian package charon-systemd)"
    return None


def lacking_in_kernel() -> str | None:
    """What the kernel lacks, found by trying to create it in a scratch namespace."""
    scratch = f"endpoint-probe-{os.getpid()}"
    try:
        netns.create(scratch)
    except OSError as error:
        return f"no network namespace can be created: {error}"
    try:
        load_kernel_modules()
        with trials.inside(scratch):
            probe = trials.tunnel("cloud", 1)
            apply_xfrm_interfaces(EndpointPlan((probe,), trials.FAST).tunnels)
    except (EndpointError, NetlinkError) as error:
        return str(error)
    finally:
        netns.remove(scratch)
    return None


@pytest.fixture(scope="session")
def host() -> None:
    if lack := lacking():
        pytest.skip(lack)


@pytest.fixture(scope="session")
def kernel(host: None) -> None:  # noqa: ARG001 - what no kernel can do is asked first
    if lack := lacking_in_kernel():
        pytest.skip(lack)


@pytest.fixture(scope="session")
def user_space_esp(host: None) -> None:  # noqa: ARG001 - as above
    if not present_plugins(("kernel-libipsec",)):
        pytest.skip("charon's plugin kernel-libipsec does not exist (Debian package libcharon-extra-plugins)")
    if not Path("/dev/net/tun").exists():
        pytest.skip("/dev/net/tun does not exist")


@pytest.mark.parametrize("name", trials.TRIALS)
@pytest.mark.usefixtures("kernel")
def test_two_endpoints(name):
    trials.TRIALS[name]()


@pytest.mark.parametrize("name", trials.NEGOTIATION_TRIALS)
@pytest.mark.usefixtures("user_space_esp")
def test_two_endpoints_with_esp_in_user_space(name):
    trials.NEGOTIATION_TRIALS[name](kernel=False)

"""The namespace of a node that runs alone: what is refused, what is taken over, what is put back."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network

import pytest

from endpoint.errors import EndpointError
from endpoint.routes import BGP, RouteChanges
from lab.errors import HostCannot
from lab.plan.compile import compile_plan
from lab.runtime import premises
from lab.runtime.premises import IKE_PORTS, leave, take
from lab.spec.load import reference

PLAN = compile_plan(reference()).node("bgw1")
LEARNED = IPv4Network("10.9.0.0/16")


class Namespace:
    """What the kernel of a test has, in place of the one here."""

    def __init__(self):
        self.name = "4:1"
        self.ipsec: tuple[str, ...] = ()
        self.routes: dict[object, tuple[IPv4Network, ...]] = {}
        self.sysctls = {"net/ipv4/ip_forward": "0"}
        self.refuses_filters = False

    def set_sysctls(self, wanted):
        self.sysctls |= wanted

    def set_routes(self, wanted, origin):
        assert wanted == {}
        removed = self.routes.pop(origin, ())
        return RouteChanges((), (), removed, {}, {})

    def apply_filters(self, _):
        if self.refuses_filters:
            raise EndpointError("nft ended with 1", mend="-")


def test_a_namespace_is_itself():
    assert premises._namespace() == premises._namespace()


@pytest.fixture
def namespace(monkeypatch):
    """A namespace with nothing in it."""
    namespace = Namespace()
    seams = {
        "_namespace": lambda: namespace.name,
        "IKE_PORTS": (),
        "_try_xfrm_interface": lambda: None,
        "observe_xfrm": lambda: namespace.ipsec,
        "routes": lambda origin: namespace.routes.get(origin, ()),
        "set_routes": namespace.set_routes,
        "read_sysctl": namespace.sysctls.get,
        "set_sysctls": namespace.set_sysctls,
        "apply_source_routes": lambda _: None,
        "apply_xfrm_interfaces": lambda _: None,
        "flush_xfrm": lambda: None,
        "apply_filters": namespace.apply_filters,
    }
    for name, seam in seams.items():
        monkeypatch.setattr(premises, name, seam)
    return namespace


def test_ipsec_and_routes_of_somebody_else_are_refused_by_name(namespace, tmp_path):
    namespace.ipsec, namespace.routes = ("interface ipsec0", "2 SAs"), {BGP: (LEARNED,)}
    with pytest.raises(HostCannot, match="interface ipsec0, 2 SAs, 1 BGP routes of metric 20"):
        take(tmp_path, PLAN)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_taken_over_and_put_back_as_it_was_before_that_run(namespace, tmp_path):
    take(tmp_path, PLAN)
    namespace.sysctls["net/ipv4/ip_forward"] = "1"
    namespace.ipsec, namespace.routes = ("interface xfrm1",), {BGP: (LEARNED,)}
    take(tmp_path, PLAN)
    assert leave(tmp_path) == ()
    assert (namespace.sysctls, namespace.routes) == ({"net/ipv4/ip_forward": "0"}, {})
    assert not list(tmp_path.iterdir())


def test_a_claim_on_another_namespace_counts_for_nothing(namespace, tmp_path):
    take(tmp_path, PLAN)
    namespace.name, namespace.ipsec = "4:2", ("1 policies",)
    with pytest.raises(HostCannot, match="somebody else: 1 policies"):
        take(tmp_path, PLAN)


@pytest.mark.parametrize("claim", ["", "[]", '{"namespace": "4:1"}', '{"namespace": "4:1", "sysctls": {}, "more": 1}'])
def test_a_claim_that_cannot_be_read_is_none(namespace, tmp_path, claim):
    (tmp_path / premises.CLAIM).write_text(claim)
    namespace.ipsec = ("1 policies",)
    with pytest.raises(HostCannot):
        take(tmp_path, PLAN)


def test_what_cannot_be_removed_is_told_and_stays_claimed_while_the_rest_goes(namespace, tmp_path):
    take(tmp_path, PLAN)
    namespace.routes, namespace.refuses_filters = {BGP: (LEARNED,)}, True
    (left,) = leave(tmp_path)
    assert "nft ended with 1" in left
    assert namespace.routes == {}
    namespace.ipsec, namespace.refuses_filters = ("interface xfrm1",), False
    take(tmp_path, PLAN)
    assert leave(tmp_path) == ()


def test_another_ike_daemon_is_named_by_its_port_rather_than_by_its_policies(namespace, tmp_path, monkeypatch):
    namespace.ipsec = ("8 policies",)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104 - as charon does
        monkeypatch.setattr(premises, "IKE_PORTS", (other.getsockname()[1],))
        with pytest.raises(HostCannot, match=r"UDP port \d+: Address already in use") as caught:
            take(tmp_path, PLAN)
    assert "other IKE daemon" in str(caught.value.mend)
    assert IKE_PORTS == (500, 4500)

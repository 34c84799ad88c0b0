from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from lab.plan.containers import free_subnets, sysctls_of
from lab.plan.model import NodePlan

POOL = IPv4Network("198.18.0.0/24")


def test_kernel_parameters_are_named_as_docker_does():
    node = NodePlan("bgw1", "border-gateway", (), sysctls=(("net/ipv4/ip_forward", "1"),))
    assert sysctls_of(node) == {"net.ipv4.ip_forward": "1"}


@given(st.lists(st.tuples(st.integers(0, 1023), st.integers(22, 32))))
def test_free_subnets_overlap_nothing_that_is_taken_and_miss_none(taken):
    others = [IPv4Network((int(POOL.network_address) - 256 + start, prefix), strict=False) for start, prefix in taken]
    free = list(free_subnets(POOL, others))
    every = list(POOL.subnets(new_prefix=29))
    assert free == [subnet for subnet in every if not any(subnet.overlaps(other) for other in others)]


def test_a_range_smaller_than_one_subnet_has_none():
    assert list(free_subnets(IPv4Network("198.18.0.0/30"), ())) == []

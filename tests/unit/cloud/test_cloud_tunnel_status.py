"""Admin and operational status, and the rates of a tunnel."""

from __future__ import annotations

from dataclasses import astuple, replace
from itertools import product

import pytest

from lab.cloud.rates import TunnelCounters, TunnelRates, rates_between
from lab.cloud.tunnel_status import Status, operational_status, refused_deletion, refused_modification
from lab.spec.model import Tunnel

UP, DOWN = Status


def test_a_tunnel_is_operationally_up_when_enabled_negotiated_and_reachable() -> None:
    seen = {
        (admin, negotiated, path_up): operational_status(admin, negotiated=negotiated, path_up=path_up)
        for admin, negotiated, path_up in product(Status, (True, False), (True, False))
    }
    assert [case for case, status in seen.items() if status is UP] == [(UP, True, True)]


@pytest.mark.parametrize("parameter", sorted(set(Tunnel.model_fields) - {"admin", "description"}))
def test_a_parameter_changes_only_while_admin_is_down(parameter: str) -> None:
    refused = refused_modification("hq-1", UP, {parameter, "admin"})
    assert refused is not None
    assert refused.where == "tunnel hq-1"
    assert refused.what == f"{parameter} cannot be changed while admin status is UP"
    assert "disable" in refused.mend
    assert refused_modification("hq-1", DOWN, {parameter, "admin"}) is None


@pytest.mark.parametrize("admin", Status)
def test_admin_itself_a_description_and_nothing_change_at_any_time(admin: Status) -> None:
    assert refused_modification("hq-1", admin, {"admin", "description"}) is None
    assert refused_modification("hq-1", admin, ()) is None


def test_a_tunnel_goes_only_while_admin_is_down() -> None:
    refused = refused_deletion("hq-1", UP)
    assert refused is not None
    assert refused.what == "cannot be deleted while admin status is UP"
    assert refused_deletion("hq-1", DOWN) is None


ZERO = TunnelCounters(100.0, 0, 0, 0, 0, 0, 0)


def test_rates_are_bits_and_packets_per_second() -> None:
    later = TunnelCounters(102.0, 1_000, 1_200, 2_400, 2_000, 10, 20)
    assert rates_between(ZERO, later) == TunnelRates(4_000.0, 4_800.0, 9_600.0, 8_000.0, 5.0, 10.0)


def test_an_idle_tunnel_has_no_rates() -> None:
    assert set(astuple(rates_between(ZERO, replace(ZERO, at=101.0)))) == {0.0}


def test_a_counter_that_began_anew_counts_from_zero() -> None:
    before = TunnelCounters(0.0, 10_000, 10_000, 500, 500, 90, 5)
    after = TunnelCounters(1.0, 100, 120, 600, 580, 1, 6)
    assert rates_between(before, after) == TunnelRates(800.0, 960.0, 800.0, 640.0, 1.0, 1.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_two_samples_of_one_moment_give_no_rate(seconds: float) -> None:
    with pytest.raises(ValueError, match="no rate"):
        rates_between(ZERO, replace(ZERO, at=ZERO.at + seconds))

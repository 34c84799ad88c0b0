"""From one file to the next: what goes in which order, what may change, and the cloud's reasons."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cloud.deletion import DEPENDENTS, deletion_order, refused_deletions
from lab.cloud.resources import Key, Kind, Resource, Resources, by_key, standing_on
from lab.cloud.transition import Transition, transition
from lab.plan.resources import resources_of
from lab.spec.load import REFERENCE, parse_topology

TREE: dict[str, Any] = yaml.safe_load(REFERENCE.read_bytes())
TUNNEL_1 = "hq 203.0.113.10 - 198.51.100.10"
TUNNEL_2 = "hq 203.0.113.20 - 192.0.2.10"

Edit = Callable[[dict[str, Any]], object]


def resources_after(*edits: Edit) -> Resources:
    tree = copy.deepcopy(TREE)
    for edit in edits:
        edit(tree)
    return resources_of(parse_topology(yaml.safe_dump(tree, sort_keys=False).encode(), "f"))


def steps_of(change: Transition) -> list[str]:
    return [" ".join([step.action, str(step.key), *step.settings]) for step in change.steps]


def hq(tree: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = tree["cloud"]["vpn_connections"]["hq"]
    return part


def tunnel(number: int, **parameters: object) -> Edit:
    return lambda tree: hq(tree)["tunnels"][number - 1].update(parameters)


def no_connection(tree: dict[str, Any]) -> None:
    del tree["cloud"]["vpn_connections"]["hq"]


def second_gateway(tree: dict[str, Any]) -> None:
    tree["cloud"]["border_gateways"]["bgw2"] = {"asn": 64512}


def to_the_second_gateway(tree: dict[str, Any]) -> None:
    second_gateway(tree)
    hq(tree).update(border_gateway="bgw2", local_asn=65000)


def without_tunnel(number: int) -> Edit:
    return lambda tree: hq(tree)["tunnels"].pop(number - 1)


DISABLED = (tunnel(1, admin="down"), tunnel(2, admin="down"))


def test_the_resources_of_the_reference_stand_on_one_another() -> None:
    found = resources_after()
    assert [str(key) for key in found] == [
        "border gateway bgw1",
        "VPC app",
        "VPC attachment app - bgw1",
        "customer gateway hq",
        "VPN connection hq",
        f"VPN tunnel {TUNNEL_1}",
        f"VPN tunnel {TUNNEL_2}",
    ]
    border, connection = Key(Kind.BORDER_GATEWAY, "bgw1"), Key(Kind.VPN_CONNECTION, "hq")
    assert [str(key) for key in standing_on(border, found)] == ["VPC attachment app - bgw1", "VPN connection hq"]
    assert len(standing_on(connection, found)) == 2


def test_the_same_file_is_no_step() -> None:
    assert transition(resources_after(), resources_after()) == Transition((), ())


def test_another_order_in_the_file_is_no_step() -> None:
    assert transition(resources_after(), resources_after(lambda t: hq(t)["tunnels"].reverse())) == Transition((), ())


def test_what_is_left_out_and_what_is_written_with_the_same_value_is_no_step() -> None:
    written = resources_after(lambda t: hq(t).update(local_asn=65000), tunnel(1, ike_cipher="aes128"))
    assert transition(resources_after(), written) == Transition((), ())


def test_everything_is_created_after_what_it_stands_on() -> None:
    assert steps_of(transition({}, resources_after())) == [f"create {key}" for key in resources_after()]


def test_everything_is_deleted_before_what_it_stands_on() -> None:
    change = transition(resources_after(*DISABLED), {})
    assert change.refused == ()
    assert steps_of(change) == [
        f"delete VPN tunnel {TUNNEL_1}",
        f"delete VPN tunnel {TUNNEL_2}",
        "delete VPN connection hq",
        "delete customer gateway hq",
        "delete VPC attachment app - bgw1",
        "delete VPC app",
        "delete border gateway bgw1",
    ]


def test_a_tunnel_that_is_enabled_is_not_deleted() -> None:
    (problem,) = transition(resources_after(), resources_after(without_tunnel(2))).refused
    assert problem.where == f"tunnel {TUNNEL_2}"
    assert problem.what == "cannot be deleted while admin status is UP"
    change = transition(resources_after(*DISABLED), resources_after(*DISABLED, without_tunnel(1)))
    assert (steps_of(change), change.refused) == ([f"delete VPN tunnel {TUNNEL_1}"], ())


@pytest.mark.parametrize(
    ("kind", "name", "still"),
    [
        (Kind.BORDER_GATEWAY, "bgw1", "VPC attachment app - bgw1, VPN connection hq"),
        (Kind.VPC, "app", "VPC attachment app - bgw1"),
        (Kind.CUSTOMER_GATEWAY, "hq", "VPN connection hq"),
        (Kind.VPN_CONNECTION, "hq", f"VPN tunnel {TUNNEL_1}, VPN tunnel {TUNNEL_2}"),
    ],
)
def test_nothing_goes_before_what_stands_on_it(kind: Kind, name: str, still: str) -> None:
    (problem,) = refused_deletions(resources_after(*DISABLED), [Key(kind, name)])
    assert problem.what == f"cannot be deleted: {still} still stands on it"
    assert problem.why.startswith(f"the cloud deletes a {kind} only without ")
    dependents = standing_on(Key(kind, name), resources_after())
    assert {key.kind for key in dependents} == set(DEPENDENTS[kind])


def test_a_parameter_changes_only_while_its_tunnel_is_disabled() -> None:
    changed = tunnel(1, ike_cipher="aes256", psk="new-key")
    (problem,) = transition(resources_after(), resources_after(changed)).refused
    assert problem.where == f"tunnel {TUNNEL_1}"
    assert problem.what == "ike_cipher, psk cannot be changed while admin status is UP"
    assert "new-key" not in str(problem)
    both_down = transition(resources_after(*DISABLED), resources_after(*DISABLED, changed))
    assert steps_of(both_down) == [f"modify VPN tunnel {TUNNEL_1} psk ike_cipher"]
    assert both_down.refused == ()


def test_a_tunnel_that_is_disabled_and_changed_at_once_is_disabled_first() -> None:
    change = transition(resources_after(), resources_after(tunnel(1, admin="down", ike_auth="sha1")))
    assert change.refused == ()
    assert steps_of(change) == [f"disable VPN tunnel {TUNNEL_1}", f"modify VPN tunnel {TUNNEL_1} ike_auth"]


def test_a_tunnel_that_is_changed_and_enabled_at_once_is_enabled_last() -> None:
    change = transition(
        resources_after(*DISABLED), resources_after(tunnel(2, admin="down"), tunnel(1, ike_auth="sha1"))
    )
    assert change.refused == ()
    assert steps_of(change) == [f"modify VPN tunnel {TUNNEL_1} ike_auth", f"enable VPN tunnel {TUNNEL_1}"]


def other_addresses(tree: dict[str, Any]) -> None:
    tree["cloud"]["customer_gateways"]["hq"]["public_addresses"] = ["198.51.100.10", "192.0.2.99"]


def test_a_customer_gateway_s_addresses_change_only_while_it_has_no_tunnel() -> None:
    to_the_new_one = tunnel(2, customer_address="192.0.2.99")
    (problem,) = transition(
        resources_after(*DISABLED), resources_after(*DISABLED, other_addresses, to_the_new_one)
    ).refused
    assert problem.where == "customer gateway hq"
    assert problem.what == f"its addresses cannot be changed: it has tunnel {TUNNEL_1}"
    no_tunnels: Edit = lambda tree: hq(tree).update(tunnels=[])  # noqa: E731 - an edit as the others
    change = transition(resources_after(no_tunnels), resources_after(no_tunnels, other_addresses))
    assert (steps_of(change), change.refused) == (["modify customer gateway hq public_addresses"], ())


def test_addresses_change_between_the_last_tunnel_s_going_and_the_next_one_s_coming() -> None:
    only_the_new_one: Edit = lambda tree: (without_tunnel(1)(tree), tunnel(1, customer_address="192.0.2.99")(tree))  # noqa: E731
    change = transition(resources_after(*DISABLED), resources_after(other_addresses, only_the_new_one))
    assert change.refused == ()
    assert [step.split()[0] for step in steps_of(change)] == ["delete", "delete", "modify", "create"]


FIXED: dict[str, tuple[Edit, str, str]] = {
    "customer's ASN": (
        lambda t: t["cloud"]["customer_gateways"]["hq"].update(asn=65011),
        "customer gateway hq",
        "asn cannot be changed: it is 65010, not 65011",
    ),
    "border gateway's ASN": (
        lambda t: (t["cloud"]["border_gateways"]["bgw1"].update(asn=64999), hq(t).update(local_asn=65000)),
        "border gateway bgw1",
        "asn cannot be changed: it is 65000, not 64999",
    ),
    "localAsn": (
        lambda t: hq(t).update(local_asn=64512),
        "VPN connection hq",
        "local_asn cannot be changed: it is 65000, not 64512",
    ),
    "border gateway of a connection": (
        to_the_second_gateway,
        "VPN connection hq",
        "border_gateway cannot be changed: it is bgw1, not bgw2",
    ),
    "VPC's range": (
        lambda t: t["cloud"]["vpcs"]["app"].update(cidr="10.0.0.0/15"),
        "VPC app",
        "cidr cannot be changed: it is 10.0.0.0/16, not 10.0.0.0/15",
    ),
    "connection's addresses": (
        lambda t: hq(t).update(public_addresses=["203.0.113.10", "203.0.113.99"], tunnels=hq(t)["tunnels"][:1]),
        "VPN connection hq",
        "public_addresses cannot be changed: it is 203.0.113.10 203.0.113.20, not 203.0.113.10 203.0.113.99",
    ),
}


@pytest.mark.parametrize(("edit", "where", "what"), FIXED.values(), ids=FIXED)
def test_what_is_fixed_at_creation_is_refused_afterwards(edit: Edit, where: str, what: str) -> None:
    refused = transition(resources_after(*DISABLED), resources_after(*DISABLED, edit)).refused
    assert [(problem.where, problem.what) for problem in refused] == [(where, what)]


def test_bgp_is_switched_at_any_time() -> None:
    change = transition(resources_after(), resources_after(lambda t: hq(t).update(bgp=False)))
    assert (steps_of(change), change.refused) == (["modify VPN connection hq bgp"], ())


def test_an_attachment_s_propagation_changes_at_any_time() -> None:
    change = transition(
        resources_after(), resources_after(lambda t: t["cloud"]["vpc_attachments"][0].update(propagate="none"))
    )
    assert (steps_of(change), change.refused) == (["modify VPC attachment app - bgw1 propagate"], ())


def test_a_connection_that_moves_by_another_name_is_deleted_and_created() -> None:
    def moved(tree: dict[str, Any]) -> None:
        second_gateway(tree)
        no_connection(tree)
        tree["cloud"]["vpn_connections"]["hq2"] = {"border_gateway": "bgw2", "customer_gateway": "hq", "tunnels": []}

    change = transition(resources_after(*DISABLED), resources_after(moved))
    assert change.refused == ()
    assert steps_of(change) == [
        f"delete VPN tunnel {TUNNEL_1}",
        f"delete VPN tunnel {TUNNEL_2}",
        "delete VPN connection hq",
        "create border gateway bgw2",
        "create VPN connection hq2",
    ]


# Against a naive simulation: taking the steps one by one never breaks a rule.

NAMES = st.sampled_from(["1", "2"])


@st.composite
def clouds(draw: st.DrawFn) -> Resources:
    found: list[Resource] = []
    keys: list[Key] = []
    for kind, below in {
        Kind.BORDER_GATEWAY: (),
        Kind.VPC: (),
        Kind.VPC_ATTACHMENT: (Kind.BORDER_GATEWAY, Kind.VPC),
        Kind.CUSTOMER_GATEWAY: (),
        Kind.VPN_CONNECTION: (Kind.BORDER_GATEWAY, Kind.CUSTOMER_GATEWAY),
        Kind.VPN_TUNNEL: (Kind.VPN_CONNECTION,),
    }.items():
        for name in draw(st.sets(NAMES)):
            choices = [[key for key in keys if key.kind is under] for under in below]
            if all(choices):
                stands_on = frozenset(draw(st.sampled_from(choice)) for choice in choices)
                settings_of = {"admin": draw(st.sampled_from(["up", "down"]))} if kind is Kind.VPN_TUNNEL else {}
                found.append(Resource(Key(kind, name), stands_on, settings_of))
                keys.append(Key(kind, name))
    return by_key(found)


@settings(max_examples=150, deadline=None)
@given(clouds(), clouds())
def test_taking_the_steps_in_order_breaks_no_rule(old: Resources, new: Resources) -> None:
    change = transition(old, new)
    if change.refused:
        return
    live = dict(old)
    up = {key for key, resource in old.items() if resource.settings.get("admin") == "up"}
    for step in change.steps:
        match step.action:
            case "disable":
                up.remove(step.key)
            case "enable":
                assert step.key not in up
                up.add(step.key)
            case "delete":
                assert step.key not in up
                assert not standing_on(step.key, live)
                del live[step.key]
            case "create":
                assert new[step.key].stands_on <= set(live)
                live[step.key] = new[step.key]
    assert set(live) == set(new)


def test_equal_kinds_keep_the_order_of_the_file_when_they_go() -> None:
    keys = [Key(Kind.VPC, "b"), Key(Kind.VPC, "a"), Key(Kind.VPC_ATTACHMENT, "x")]
    assert [key.name for key in deletion_order(keys)] == ["x", "b", "a"]

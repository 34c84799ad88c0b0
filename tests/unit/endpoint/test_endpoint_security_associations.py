import pytest

from endpoint.security_associations import by_tunnel

IKE = {
    "uniqueid": b"3",
    "version": b"2",
    "state": b"ESTABLISHED",
    "local-host": b"203.0.113.10",
    "remote-host": b"198.51.100.10",
    "remote-id": b"\xff\x00 anything at all",
    "initiator": b"yes",
    "initiator-spi": b"66b8f9740e0ce78d",
    "responder-spi": b"6f116dd3ca92af37",
    "nat-remote": b"yes",
    "encr-alg": b"AES_CBC",
    "encr-keysize": b"128",
    "integ-alg": b"HMAC_SHA2_256_128",
    "prf-alg": b"PRF_HMAC_SHA2_256",
    "dh-group": b"ECP_256",
    "established": b"5",
    "rekey-time": b"12752",
    "child-sas": {},
}
CHILD = {
    "name": b"hq/1",
    "uniqueid": b"1",
    "state": b"INSTALLED",
    "spi-in": b"cb75f900",
    "spi-out": b"ccbff438",
    "encr-alg": b"AES_CBC",
    "encr-keysize": b"128",
    "integ-alg": b"HMAC_SHA2_256_128",
    "bytes-in": b"168",
    "packets-in": b"2",
    "bytes-out": b"84",
    "packets-out": b"1",
    "install-time": b"4",
    "rekey-time": b"3100",
    "local-ts": [b"0.0.0.0/0"],
    "remote-ts": [b"0.0.0.0/0"],
}


def ike(*children, **fields):
    sas = {f"hq/1-{number}": child for number, child in enumerate(children)}
    return {"hq/1": IKE | {"child-sas": sas} | {key.replace("_", "-"): value for key, value in fields.items()}}


def test_an_sa_is_read_field_by_field():
    sas = by_tunnel([ike(CHILD)])["hq/1"]
    assert (sas.ike.unique_id, sas.ike.initiator, sas.ike.nat_local, sas.ike.nat_remote) == (3, True, False, True)
    assert sas.ike.proposal == "AES_CBC-128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256"
    assert (sas.ike.age_s, sas.ike.rekey_in_s) == (5, 12752)
    assert sas.child is not None
    assert (sas.child.spi_in, sas.child.spi_out) == ("cb75f900", "ccbff438")
    assert (sas.child.packets_in, sas.child.bytes_out, sas.child.proposal) == (2, 84, "AES_CBC-128/HMAC_SHA2_256_128")
    assert (sas.carrying, sas.busy) == (True, False)


def test_half_open_sas_belong_to_no_tunnel():
    assert by_tunnel([{"(unnamed)": IKE | {"state": b"CONNECTING"}}]) == {}


def test_an_sa_that_connects_is_busy_and_so_is_one_with_a_task():
    assert by_tunnel([ike(state=b"CONNECTING")])["hq/1"].busy
    assert by_tunnel([ike(tasks_active=[b"CHILD_CREATE"])])["hq/1"].busy
    assert not by_tunnel([ike()])["hq/1"].busy


def test_the_new_child_counts_while_the_old_one_lingers():
    old = CHILD | {"state": b"REKEYED", "uniqueid": b"1"}
    sas = by_tunnel([ike(old, CHILD | {"uniqueid": b"2"})])["hq/1"]
    assert sas.child is not None
    assert sas.child.unique_id == 2
    assert not by_tunnel([ike(old)])["hq/1"].carrying


def test_of_several_ike_sas_the_one_that_carries_counts_whatever_the_order():
    messages = [ike(CHILD, uniqueid=b"3"), ike(uniqueid=b"9"), ike(uniqueid=b"5", state=b"DELETING")]
    for order in (messages, messages[::-1]):
        sas = by_tunnel(order)["hq/1"]
        assert sas.ike.unique_id == 3
        assert sas.carrying


def test_the_newer_of_two_that_carry_counts():
    sas = by_tunnel([ike(CHILD, uniqueid=b"4"), ike(CHILD, uniqueid=b"3")])["hq/1"]
    assert sas.ike.unique_id == 4


@pytest.mark.parametrize(
    ("version", "state", "children", "expected"),
    [
        (b"1", b"REKEYING", (), True),
        (b"1", b"REKEYING", (CHILD,), False),
        (b"1", b"ESTABLISHED", (), True),
        (b"1", b"ESTABLISHED", (CHILD,), False),
        (b"1", b"CONNECTING", (), False),
        (b"2", b"REKEYING", (), False),
        (b"2", b"ESTABLISHED", (), False),
    ],
)
def test_a_replaced_ikev1_sa_without_its_child_has_handed_it_over(version, state, children, expected):
    assert by_tunnel([ike(*children, version=version, state=state)])["hq/1"].handing_over is expected

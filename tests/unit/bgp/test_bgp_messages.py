"""Lines as ExaBGP 5.0.15 wrote them, and lines that nobody should write."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgp.messages import (
    Connected,
    EndOfRib,
    Established,
    Garbled,
    Lost,
    Notified,
    Reread,
    Update,
    read_line,
)
from bgp.path import Attributes

PEER = IPv4Address("169.254.10.5")
HEAD = (
    b'{ "exabgp": "5.0.0", "time": 1753452000.1, "host" : "bgw1", "pid" : 7, "ppid" : 6, "counter": 3, "type": "%s", '
)
NEIGHBOR = (
    b'"neighbor": { "address": { "local": "169.254.10.6", "peer": "169.254.10.5" }, '
    b'"asn": { "local": 65000, "peer": 65010 }, "router-id": "203.0.113.10" , %s } }'
)


def line(kind: bytes, content: bytes) -> bytes:
    return HEAD % kind + NEIGHBOR % content


UPDATE = line(
    b"update",
    b'"direction": "receive", "message": { "update": { "attribute": { "origin": "igp", "as-path": '
    b'{ "0": { "element": "as-sequence", "value": [ 65010, 64512 ] }, '
    b'"1": { "element": "as-set", "value": [ 9, 7 ] } }, "med": 9 }, '
    b'"announce": { "ipv4 unicast": { "169.254.10.5": [ { "nlri": "10.1.0.0/16" }, { "nlri": "10.2.0.0/16" } ] } }, '
    b'"withdraw": { "ipv4 unicast": [ { "nlri": "10.3.0.0/16" } ], "ipv6 unicast": [] } } }',
)
EOR = line(b"update", b'"direction": "receive", "message": { "eor": { "afi" : "ipv4", "safi" : "unicast" } }')


@pytest.mark.parametrize(
    ("given_line", "message"),
    [
        (line(b"state", b'"state": "connected"'), Connected(PEER)),
        (line(b"state", b'"state": "up"'), Established(PEER)),
        (
            line(b"state", b'"state": "down", "reason": "notification received (6,2)"'),
            Lost(PEER, "NOTIFICATION received: cease: administrative shutdown (6/2)", notified=True),
        ),
        (
            line(b"state", b'"state": "down", "reason": "notification sent (4,0)"'),
            Lost(PEER, "NOTIFICATION sent: hold timer expired (4/0)", notified=True),
        ),
        (
            line(b"state", b'"state": "down", "reason": "closing connection"'),
            Lost(PEER, "the TCP connection was refused, reset or closed by the peer", notified=False),
        ),
        (
            line(
                b"notification", b'"direction": "receive", "notification": { "code": 6, "message": "bye\\u001b[31m" }'
            ),
            Notified(PEER, "bye?[31m"),
        ),
        (EOR, EndOfRib(PEER)),
        (
            UPDATE,
            Update(
                PEER,
                withdraw=(IPv4Network("10.3.0.0/16"),),
                announce=(
                    (
                        Attributes(PEER, (65010, 64512, (7, 9)), 9),
                        (IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16")),
                    ),
                ),
                foreign=("ipv6 unicast",),
            ),
        ),
        (b'{"type": "reread", "generation": 4, "error": null}', Reread(4, None)),
        (b'{"type": "reread", "generation": 4, "error": "line 3"}', Reread(4, "line 3")),
        (b"done", None),
        (b'{ "exabgp": "5.0.0", "type": "notification", "notification": "shutdown" }', None),
    ],
)
def test_lines_of_exabgp_are_read(given_line: bytes, message: object) -> None:
    assert read_line(given_line) == message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"10.1.0.0/16"', b'"10.1.0.0/33"'),
        (b'"10.1.0.0/16"', b"17"),
        (b'"10.1.0.0/16"', b"null"),
        (b"[ 65010, 64512 ]", b"[ -1 ]"),
        (b"[ 65010, 64512 ]", b"[ true ]"),
        (b"[ 65010, 64512 ]", b"{}"),
        (b'"as-sequence"', b'"as-tree"'),
        (b'"as-sequence"', b"[]"),
        (b'"element"', b'"elemend"'),
        (b'"med": 9', b'"med": 1e400'),
        (b'"med": 9', b'"med": ' + b"9" * 10_000),
        (b'"med": 9', b'"med": ' + b"[" * 100_000),
        (b'"169.254.10.5": [', b'"::1": ['),
        (b'"announce"', b'"announce": [], "x"'),
        (b'"igp"', b'"\xff"'),
        (b" } } }", b""),
    ],
)
def test_a_malformed_update_is_told_with_its_peer(old: bytes, new: bytes) -> None:
    message = read_line(UPDATE.replace(old, new, 1))
    assert isinstance(message, Garbled)
    assert message.peer == PEER


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    read_line(data)
    read_line(b"{" + data)


@given(st.data())
def test_no_spoiled_line_raises(data: st.DataObject) -> None:
    spoiled = bytearray(data.draw(st.sampled_from([UPDATE, EOR])))
    for _ in range(data.draw(st.integers(1, 4))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    read_line(bytes(spoiled))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data(), values)
def test_no_unexpected_type_anywhere_raises(data: st.DataObject, value: object) -> None:
    message = json.loads(UPDATE)
    place = message
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        deeper = place[key]
        if not isinstance(deeper, dict | list) or not deeper or data.draw(st.booleans()):
            place[key] = value
            break
        place = deeper
    read_line(json.dumps(message).encode())

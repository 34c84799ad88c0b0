"""The inner MTU against packets that are put together byte by byte."""

from __future__ import annotations

from itertools import product

import pytest

from lab.plan.mtu import inner_mtu

IV_AND_BLOCK = {"aes128": 16, "aes192": 16, "aes256": 16, "3des": 8}
ICV = {"sha1": 12, "sha256": 16, "sha384": 24}
CASES = list(product(IV_AND_BLOCK, ICV, [False, True], [576, 1280, 1399, 1400, 1492, 1500, 9000]))


def on_the_wire(inner, cipher, integrity, *, udp):
    """Bytes of the ESP packet around an inner packet, with its outer IPv4 header."""
    block = IV_AND_BLOCK[cipher]
    plain = inner + 2
    plain += -plain % block
    return 20 + (8 if udp else 0) + 8 + block + plain + ICV[integrity]


@pytest.mark.parametrize(("cipher", "integrity", "udp", "path"), CASES)
def test_the_largest_packet_fits_and_one_byte_more_does_not(cipher, integrity, udp, path):
    found = inner_mtu(path, cipher, integrity, udp=udp)
    assert on_the_wire(found, cipher, integrity, udp=udp) <= path
    assert found == 1450 or on_the_wire(found + 1, cipher, integrity, udp=udp) > path
    assert found <= 1450


@pytest.mark.parametrize(
    ("cipher", "integrity", "udp", "expected"),
    [
        ("aes128", "sha256", False, 1438),
        ("aes128", "sha256", True, 1422),
        ("aes256", "sha1", False, 1438),
        ("aes256", "sha1", True, 1422),
        ("aes192", "sha384", False, 1422),
        ("aes192", "sha384", True, 1422),
        ("3des", "sha1", False, 1446),
        ("3des", "sha1", True, 1438),
    ],
)
def test_the_inner_mtu_over_1500_bytes(cipher, integrity, udp, expected):
    assert inner_mtu(1500, cipher, integrity, udp=udp) == expected

"""How large a packet fits into a tunnel. Pure."""

from __future__ import annotations

OUTER_IPV4 = 20  # RFC 791, no options
UDP_ENCAPSULATION = 8  # RFC 3948
ESP_HEADER = 8  # RFC 4303: SPI and sequence number
ESP_TRAILER = 2  # RFC 4303: pad length and next header

BLOCK_AND_IV = {"aes128": 16, "aes192": 16, "aes256": 16, "3des": 8}  # RFC 3602, RFC 2451
ICV = {"sha1": 12, "sha256": 16, "sha384": 24}  # RFC 2404, RFC 4868

LARGEST_INNER_MTU = 1450  # the cloud's limit


def inner_mtu(path_mtu: int, cipher: str, integrity: str, *, udp: bool) -> int:
    """The largest inner packet in bytes whose ESP packet fits `path_mtu`, in tunnel mode over IPv4.

    1438 for aes128 and sha256 over 1500 bytes, 1422 of them behind NAT.
    """
    block = BLOCK_AND_IV[cipher]
    overhead = OUTER_IPV4 + (UDP_ENCAPSULATION if udp else 0) + ESP_HEADER + block + ICV[integrity]
    padded = (path_mtu - overhead) // block * block
    return min(padded - ESP_TRAILER, LARGEST_INNER_MTU)

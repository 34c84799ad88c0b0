"""Kernel modules that IPsec needs, loaded before the first negotiation.

When they are missing then, the kernel looks for them one by one and the responder stalls for seconds in IKE_AUTH.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

# Without drbg and crypto_null adding an SA fails with ENOENT, and the peer sees NO_PROPOSAL_CHOSEN. The jitter
# generator feeds drbg where there is one.
MODULES = (
    "xfrm_user",
    "xfrm_interface",
    "esp4",
    "drbg",
    "jitterentropy_rng",
    "crypto_null",
    "echainiv",
    "seqiv",
    "authenc",
    "cbc",
    "gcm",
    "hmac",
    "sha1_generic",
    "sha256_generic",
    "sha512_generic",
    "des_generic",
    "aesni_intel",
)

# The hashes that tunnels may name, in the words of the kernel: name, bytes of the key, bits sent (RFC 2404, RFC 4868).
ESP_HASHES = (("hmac(sha1)", 20, 96), ("hmac(sha256)", 32, 128), ("hmac(sha384)", 48, 192))


def load_kernel_modules(modules: Iterable[str] = MODULES) -> tuple[str, ...]:
    """Load what is not there yet; returns the names of those that could not be loaded.

    Built-in modules count as there. A missing one need not matter: the kernel may have the
    algorithm under another name, or another driver for it.
    """
    wanted = tuple(modules)
    present = _loaded() | _builtin()
    absent = tuple(module for module in wanted if module not in present)
    if not absent:
        return ()
    try:
        subprocess.run(["/usr/sbin/modprobe", "--all", "--quiet", *absent], capture_output=True, check=False)
    except FileNotFoundError:
        return absent
    loaded = _loaded()
    return tuple(module for module in absent if module not in loaded)


def instantiate_algorithms() -> None:
    """Have the kernel put together every ESP transform that a tunnel may ask for, by an SA for each in this namespace.

    A transform that was used once stays; its first use takes a second or more where the processor is emulated, for
    the kernel starts a modprobe for each name that it does not know yet. The SAs are nobody's: flush them afterwards.
    """
    states = "".join(
        f"xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi {number} mode tunnel"
        f" auth-trunc {hash_name} 0x{'00' * key_bytes} {icv_bits} enc cbc(aes) 0x{'00' * 16}\n"
        for number, (hash_name, key_bytes, icv_bits) in enumerate(ESP_HASHES, start=256)
    )
    subprocess.run(["/usr/sbin/ip", "-force", "-batch", "-"], input=states.encode(), capture_output=True, check=False)


def _loaded() -> frozenset[str]:
    try:
        lines = Path("/proc/modules").read_text().splitlines()
    except FileNotFoundError:  # a kernel without loadable modules
        return frozenset()
    fields = (line.split() for line in lines)  # proc(5): name, size, users, by whom, state
    return frozenset(field[0] for field in fields if field[4] == "Live")


def _builtin() -> frozenset[str]:
    try:
        lines = Path("/lib/modules", platform.release(), "modules.builtin").read_text().splitlines()
    except FileNotFoundError:
        return frozenset()
    return frozenset(Path(line).stem.replace("-", "_") for line in lines)

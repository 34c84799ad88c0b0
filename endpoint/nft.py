"""nft(8): a ruleset is loaded as a whole, in one transaction."""

from __future__ import annotations

import subprocess

from endpoint.errors import EndpointError


def load_ruleset(ruleset: str) -> None:
    """Load a ruleset in nft's language into this namespace. Raises EndpointError."""
    try:
        done = subprocess.run(["nft", "-f", "-"], input=ruleset, capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError as error:
        raise EndpointError("the program nft does not exist", mend="install the Debian package nftables") from error
    if done.returncode != 0:
        raise EndpointError(
            f"nft ended with {done.returncode}: {done.stderr.strip()}", mend="load the kernel module nf_tables"
        )

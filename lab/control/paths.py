"""Where a lab's state is kept on this host: the XDG base directories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_home(environment: Mapping[str, str]) -> Path:
    """$XDG_STATE_HOME/vpnlab, or ~/.local/state/vpnlab."""
    return _base(environment, "XDG_STATE_HOME", ".local/state") / "vpnlab"


def cache_home(environment: Mapping[str, str]) -> Path:
    """$XDG_CACHE_HOME/vpnlab, or ~/.cache/vpnlab: what can be made again."""
    return _base(environment, "XDG_CACHE_HOME", ".cache") / "vpnlab"


def lab_directory(name: str) -> Path:
    """The directory of one lab, whether or not it exists."""
    return labs_directory() / name


def labs_directory() -> Path:
    """The directory that holds one directory for each lab."""
    return state_home(os.environ) / "labs"


def _base(environment: Mapping[str, str], variable: str, default: str) -> Path:
    """XDG Base Directory Specification: relative paths in the variables are to be ignored."""
    given = environment.get(variable, "")
    return Path(given) if given.startswith("/") else Path(environment.get("HOME", "/")) / default

"""Being the lab process as a daemon of this host for nodes that are containers."""

from __future__ import annotations

from lab.runtime.containers import CONTAINERS
from lab.runtime.serving import main

if __name__ == "__main__":
    main(CONTAINERS)

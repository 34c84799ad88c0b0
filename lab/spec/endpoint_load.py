"""An endpoint file, from its place on disk to a spec that keeps every rule and the keys that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.cloud.keys import is_psk
from lab.errors import UsageError
from lab.spec.endpoint_checks import broken_rules
from lab.spec.endpoint_model import EndpointSpec, EndpointTunnel
from lab.spec.key_files import read_private
from lab.spec.parsing import Kind, parse
from lab.spec.reading import read_file, shown_file
from lab.spec.rule_parts import Findings
from lab.spec.wording import Finding

MEND_EMPTY = "begin with `vpnlab_endpoint: 1`; examples/endpoint has a file for each side to copy"
SECRETS = Path("/run/secrets")  # where Docker and Podman put them
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5)
LONGEST_KEY_BYTES = 4096
LONGEST_OTHER_KEY = 128
"""Characters of a key towards another cloud; those that AWS makes have 32 (chosen)."""
WHY_PRIVATE = "whoever reads a pre-shared key can be either end"


@dataclass(slots=True)
class _Keys:
    """The keys that were read while the rules were tried, by the tunnel's place in the file."""

    folder: Path
    environment: Mapping[str, str]
    found: dict[int, str] = field(default_factory=dict)

    def broken_rules(self, spec: EndpointSpec) -> Findings:
        """All that is wrong with the spec and with the keys that it names."""
        yield from broken_rules(spec)
        for index, tunnel in enumerate(spec.tunnels):
            if (tunnel.psk_file is None) != (tunnel.psk_secret is None):
                yield from self._read(spec, index, tunnel)

    def _read(self, spec: EndpointSpec, index: int, tunnel: EndpointTunnel) -> Findings:
        step = "psk_file" if tunnel.psk_file is not None else "psk_secret"
        path = ("tunnels", index, step)
        try:
            text = read_private(self._place(tunnel), LONGEST_KEY_BYTES).decode("ascii", "replace").strip()
        except UsageError as error:
            yield Finding(path, error.what, WHY_PRIVATE, error.mend or "")
            return
        if spec.side == "cloud" and not is_psk(text):
            why = "the cloud takes 1-20 of A-Z a-z 0-9 _ -, not beginning with 0x or 0s"
            yield Finding(
                path, "the key in it is not one that the cloud takes (it is never shown)", why, "choose another"
            )
        elif not (1 <= len(text) <= LONGEST_OTHER_KEY and all("!" <= char <= "~" for char in text)):
            why = f"a key has 1-{LONGEST_OTHER_KEY} printable ASCII characters and no blank"
            yield Finding(path, "there is no key in it (it is never shown)", why, "write the key on the only line")
        self.found[index] = text

    def _place(self, tunnel: EndpointTunnel) -> Path:
        if tunnel.psk_file is not None:
            return self.folder / tunnel.psk_file
        secret = str(tunnel.psk_secret)
        credentials = self.environment.get(CREDENTIALS)
        if credentials and (Path(credentials) / secret).exists():
            return Path(credentials) / secret
        return SECRETS / secret


def parse_endpoint(data: bytes, file: str) -> EndpointSpec:
    """The spec in the bytes of an endpoint file, its keys unread. Raises SpecError with every problem."""
    return parse(data, file, Kind(EndpointSpec, broken_rules, MEND_EMPTY))


def load_endpoint(path: Path, environment: Mapping[str, str]) -> tuple[EndpointSpec, dict[str, str]]:
    """The spec in a file, and the key of each tunnel by its name. Raises SpecError with every problem."""
    file = shown_file(path)
    keys = _Keys(path.parent, environment)
    spec = parse(read_file(path, file, "check the name"), file, Kind(EndpointSpec, keys.broken_rules, MEND_EMPTY))
    return spec, {spec.tunnel_name(index): key for index, key in keys.found.items()}

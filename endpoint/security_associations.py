"""What charon lists about its SAs, as reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from endpoint.report import ChildSaReport, IkeSaReport

# States in which a child carries traffic both ways (strongSwan, child_sa.h). REKEYED is the old
# one of a pair: it only still receives.
CARRYING = frozenset({"INSTALLED", "UPDATING", "REKEYING"})

# States of an IKE SA beside which a child may be on its way to another one, by IKE's version. Charon lists its SAs one
# after the other: the child may have left the old one when that is listed, and not have come to the new one before.
# An IKEv2 SA that is deleted for good keeps its children to its end, so that without one it has been replaced.
HANDING_OVER = {1: frozenset({"REKEYING", "ESTABLISHED", "DELETING"}), 2: frozenset({"REKEYED", "DELETING"})}


@dataclass(frozen=True, slots=True)
class TunnelSas:
    """The SAs of one tunnel, the best of each kind; `busy` while charon negotiates something."""

    ike: IkeSaReport
    child: ChildSaReport | None
    busy: bool

    @property
    def carrying(self) -> bool:
        """Whether the child carries traffic."""
        return self.child is not None and self.child.state in CARRYING

    @property
    def handing_over(self) -> bool:
        """Whether the child may be on its way from one IKE SA to the next: charon lists it only afterwards.

        The end that starts the new IKEv1 SA lists the old one as rekeying, the end that answers lists either as
        established.
        """
        return self.child is None and self.ike.state in HANDING_OVER.get(self.ike.version, ())

    @property
    def replacing(self) -> bool:
        """Whether the child hangs on a new IKEv1 SA that the peer has not answered yet."""
        return self.carrying and self.ike.version == 1 and self.ike.state == "CONNECTING"


def by_tunnel(messages: Iterable[Mapping[str, Any]]) -> dict[str, TunnelSas]:
    """list-sa messages, each {connection: IKE SA}, by connection.

    A connection may have several IKE SAs for a while (rekeying, a peer that came back): a carrying
    one is better than an established one, and a newer better than an older. Half-open SAs of
    responders are called "(unnamed)" and belong to no tunnel yet.
    """
    found: dict[str, TunnelSas] = {}
    for message in messages:
        for name, fields in message.items():
            if name == "(unnamed)":
                continue
            ike = _ike(fields)
            children = [_child(child) for child in fields.get("child-sas", {}).values()]
            sas = TunnelSas(ike, max(children, key=_child_rank, default=None), _busy(fields))
            if name in found:
                busy = sas.busy or found[name].busy
                better = max(found[name], sas, key=_rank)
                sas = TunnelSas(better.ike, better.child, busy)
            found[name] = sas
    return found


def _rank(sas: TunnelSas) -> tuple[bool, bool, int]:
    return sas.carrying, sas.ike.state == "ESTABLISHED", sas.ike.unique_id


def _child_rank(child: ChildSaReport) -> tuple[bool, int]:
    return child.state in CARRYING, child.unique_id


def _busy(fields: Mapping[str, Any]) -> bool:
    """Whether an exchange is under way or waits: a second `initiate` would only make a duplicate."""
    return _text(fields, "state") != "ESTABLISHED" or bool(fields.get("tasks-active") or fields.get("tasks-queued"))


def _ike(fields: Mapping[str, Any]) -> IkeSaReport:
    return IkeSaReport(
        unique_id=_number(fields, "uniqueid"),
        state=_text(fields, "state"),
        version=_number(fields, "version"),
        initiator=_text(fields, "initiator") == "yes",
        spi_initiator=_text(fields, "initiator-spi"),
        spi_responder=_text(fields, "responder-spi"),
        local_address=IPv4Address(_text(fields, "local-host")),
        remote_address=IPv4Address(_text(fields, "remote-host")),
        age_s=_number(fields, "established"),
        rekey_in_s=_optional_number(fields, "rekey-time"),
        proposal=_proposal(fields, ("encr", "integ", "prf"), "dh-group"),
        nat_local=_text(fields, "nat-local") == "yes",
        nat_remote=_text(fields, "nat-remote") == "yes",
    )


def _child(fields: Mapping[str, Any]) -> ChildSaReport:
    return ChildSaReport(
        unique_id=_number(fields, "uniqueid"),
        state=_text(fields, "state"),
        spi_in=_text(fields, "spi-in"),
        spi_out=_text(fields, "spi-out"),
        encapsulated_in_udp=_text(fields, "encap") == "yes",
        bytes_in=_number(fields, "bytes-in"),
        packets_in=_number(fields, "packets-in"),
        bytes_out=_number(fields, "bytes-out"),
        packets_out=_number(fields, "packets-out"),
        age_s=_number(fields, "install-time"),
        rekey_in_s=_optional_number(fields, "rekey-time"),
        proposal=_proposal(fields, ("encr", "integ"), "dh-group"),
        local_ts=_texts(fields, "local-ts"),
        remote_ts=_texts(fields, "remote-ts"),
    )


def _proposal(fields: Mapping[str, Any], algorithms: tuple[str, ...], group: str) -> str:
    """The chosen transforms in charon's names: "AES_CBC-128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256"."""
    parts = []
    for algorithm in algorithms:
        name, size = _text(fields, f"{algorithm}-alg"), _text(fields, f"{algorithm}-keysize")
        parts.append(f"{name}-{size}" if size else name)
    parts.append(_text(fields, group))
    return "/".join(part for part in parts if part)


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key, b"")
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(value.decode(errors="replace") for value in fields.get(key, []))


def _number(fields: Mapping[str, Any], key: str) -> int:
    return _optional_number(fields, key) or 0


def _optional_number(fields: Mapping[str, Any], key: str) -> int | None:
    text = _text(fields, key)
    return int(text) if text.lstrip("-").isdigit() else None

"""The speaker with a scripted ExaBGP: what no real one can be made to do on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bgp.sessions
from bgp.lines import TooLong
from bgp.plan import NeighborPlan, SpeakerPlan
from bgp.speaker import Speaker

LOCAL = IPv4Address("127.0.0.1")
ONE = NeighborPlan("one", "t1", LOCAL, IPv4Address("127.0.0.2"), peer_as=65010, hold_time_s=9)
TWO = replace(ONE, name="two", interface="t2", peer_address=IPv4Address("127.0.0.3"))
PLAN = SpeakerPlan(local_as=65000, router_id=LOCAL, neighbors=(ONE, TWO))
LAN = IPv4Network("10.1.0.0/16")


class ScriptedExaBgp:
    """Takes the place of bgp.process.ExaBgp: lines to be read are put in, commands taken out."""

    latest: ScriptedExaBgp

    def __init__(self, configuration: Path, log_file: Path) -> None:  # noqa: ARG002
        self.configuration = configuration
        self.pid = 4242
        self.ended = False
        self.sent: list[str] = []
        self.lines: list[bytes | TooLong] = []
        ScriptedExaBgp.latest = self

    def fileno(self) -> int:
        return 99

    def send(self, command: str) -> None:
        self.sent.append(command)

    def read(self) -> list[bytes | TooLong]:
        lines, self.lines = self.lines, []
        return lines

    def end(self) -> str:
        return "killed by SIGKILL"

    def says(self, neighbor: NeighborPlan, kind: str, content: str) -> None:
        self.lines.append(
            f'{{ "type": "{kind}", "neighbor": {{ "address": {{ "local": "{neighbor.local_address}", '
            f'"peer": "{neighbor.peer_address}" }}, {content} }} }}'.encode()
        )

    def up(self, neighbor: NeighborPlan) -> None:
        self.says(neighbor, "state", '"state": "up"')

    def announces(self, neighbor: NeighborPlan, prefix: str = str(LAN)) -> None:
        self.says(
            neighbor,
            "update",
            '"message": { "update": { "attribute": { "as-path": { "0": { "element": "as-sequence", "value": [65010] '
            f'}} }} }}, "announce": {{ "ipv4 unicast": {{ "{neighbor.peer_address}": '
            f'[ {{ "nlri": "{prefix}" }} ] }} }} }} }}',
        )

    def answers(self, generation: int, error: str = "null") -> None:
        self.lines.append(f'{{"type": "reread", "generation": {generation}, "error": {error}}}'.encode())


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: list[float]) -> Iterator[Speaker]:
    monkeypatch.setattr(bgp.speaker, "ExaBgp", ScriptedExaBgp)
    speaker = Speaker(tmp_path, now=lambda: clock[0], wall=lambda: 1e9 + clock[0])
    speaker.apply(PLAN)
    yield speaker
    speaker.stop()


def both_up(speaker: Speaker) -> ScriptedExaBgp:
    exabgp = ScriptedExaBgp.latest
    for neighbor in (ONE, TWO):
        exabgp.up(neighbor)
        exabgp.announces(neighbor)
    speaker.process()
    assert [path.neighbor for path in speaker.routes()[LAN]] == ["one", "two"]
    return exabgp


def test_what_still_comes_over_a_reset_session_is_ignored_until_it_is_afresh(speaker: Speaker) -> None:
    exabgp = both_up(speaker)
    speaker.reset("one", "tunnel one has no child SA")
    exabgp.announces(ONE, "10.9.0.0/16")
    exabgp.up(ONE)
    exabgp.announces(ONE, "10.9.0.0/16")
    speaker.process()
    assert {path.neighbor for paths in speaker.routes().values() for path in paths} == {"two"}
    assert exabgp.sent == ["reread 1"]
    assert str(ONE.peer_address) not in exabgp.configuration.read_text()
    exabgp.answers(1)
    speaker.process()
    assert exabgp.sent == ["reread 1", "reread 2"]
    exabgp.answers(2)
    exabgp.up(ONE)
    exabgp.announces(ONE)
    speaker.process()
    assert [path.neighbor for path in speaker.routes()[LAN]] == ["one", "two"]


def test_another_as_path_is_announced_over_the_same_session(speaker: Speaker) -> None:
    exabgp = both_up(speaker)
    other = IPv4Network("10.2.0.0/16")
    speaker.apply(replace(PLAN, neighbors=(replace(ONE, announce=(LAN, other)), TWO)))
    exabgp.sent.clear()
    speaker.apply(replace(PLAN, neighbors=(replace(ONE, announce=(LAN,), prepend=1), TWO)))
    to = f"neighbor {ONE.peer_address}"
    assert exabgp.sent == [
        f"{to} withdraw attributes next-hop self nlri {other}",
        f"{to} announce attributes next-hop self as-path [ 65000 65000 ] nlri {LAN}",
    ]
    assert [session.state for session in speaker.report().sessions] == ["established", "established"]


def test_an_unreadable_line_ends_the_session_of_its_peer_alone(speaker: Speaker) -> None:
    exabgp = both_up(speaker)
    exabgp.says(ONE, "update", '"message": 17')
    exabgp.lines.append(TooLong(b'{ "neighbor": { "address": { "local": "127.0.0.1", "peer": "127.0.0.3" }, "mess'))
    exabgp.lines.append(b"{ rubbish")
    events = speaker.process()
    assert [(event.kind, event.neighbor) for event in events] == [
        ("garbled", "one"),
        ("lost", "one"),
        ("garbled", "two"),
        ("lost", "two"),
        ("garbled", None),
    ]
    assert dict(speaker.routes()) == {}


def test_a_refused_configuration_is_a_death_with_its_reason(speaker: Speaker) -> None:
    exabgp = both_up(speaker)
    speaker.reset("one")
    exabgp.answers(1, '"line 7 is wrong"')
    speaker.process()
    assert speaker.report().last_exit == "it refused its configuration: line 7 is wrong"
    assert speaker.report().pid is None
    assert speaker.filenos() == ()
    assert {session.state for session in speaker.report().sessions} == {"idle"}


def test_exabgp_is_started_again_at_once_and_later_when_it_keeps_dying(speaker: Speaker, clock: list[float]) -> None:
    waits = []
    for lived_s in (60.0, 0.1, 0.1, 0.1, 0.1, 60.0, 0.1):
        clock[0] += lived_s
        ScriptedExaBgp.latest.ended = True
        speaker.process()
        due = speaker.restart_due()
        assert due is not None
        waits.append(due - clock[0])
        speaker.apply(PLAN)
        assert (speaker.report().pid is None) == (due > clock[0])
        clock[0] = due
        speaker.apply(PLAN)
        assert (speaker.report().pid, speaker.restart_due()) == (4242, None)
    assert waits == pytest.approx([0.0, 0.0, 0.5, 1.0, 2.0, 0.0, 0.0])
    assert speaker.report().restarts == 7


def test_applying_the_same_plan_again_says_nothing_to_exabgp(speaker: Speaker) -> None:
    exabgp = both_up(speaker)
    before = speaker.report()
    speaker.apply(PLAN)
    speaker.process()
    assert exabgp.sent == []
    assert speaker.report() == before


def test_the_reason_of_a_loss_is_not_hidden_by_vain_attempts_to_connect(speaker: Speaker) -> None:
    exabgp = both_up(speaker)
    exabgp.says(ONE, "notification", '"notification": { "code": 6, "subcode": 2, "message": "maintenance" }')
    exabgp.says(ONE, "state", '"state": "down", "reason": "notification received (6,2)"')
    exabgp.says(ONE, "state", '"state": "connected"')
    exabgp.says(ONE, "state", '"state": "down", "reason": "closing connection"')
    speaker.process()
    (one, _) = speaker.report().sessions
    assert one.reason == 'NOTIFICATION received: cease: administrative shutdown (6/2), "maintenance"'


def test_a_peer_cannot_fill_the_log_with_refusals(speaker: Speaker) -> None:
    exabgp = both_up(speaker)
    for last in range(100):
        exabgp.says(
            ONE,
            "update",
            f'"message": {{ "update": {{ "announce": {{ "ipv4 unicast": {{ "192.0.2.{last}": '
            f'[ {{ "nlri": "10.9.{last}.0/24" }} ] }} }} }} }}',
        )
    assert len(speaker.process()) == bgp.sessions.TOLD_REASONS
    assert speaker.report().sessions[0].refused_count == 100


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_no_line_makes_process_raise(speaker: Speaker, lines: list[bytes]) -> None:
    ScriptedExaBgp.latest.lines += lines
    ScriptedExaBgp.latest.lines += [b"{" + line for line in lines]
    speaker.process()

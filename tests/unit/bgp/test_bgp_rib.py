"""The RIB and the decision against a naive reference: a list of what is announced, searched each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from bgp.path import Path
from bgp.rib import KEPT_PER_ACCEPTED, Rib

PREFIXES = [IPv4Network(f"10.0.{i}.0/24") for i in range(6)]
NEIGHBORS = ("a", "b", "c")


def path(neighbor: str, length: int) -> Path:
    return Path(neighbor, f"if-{neighbor}", IPv4Address("192.0.2.1"), tuple(range(1, length + 1)))


@dataclass
class Naive:
    """Announcements in the order of their arrival; the first `limit` valid ones are accepted."""

    limit: int | None
    table: list[tuple[IPv4Network, Path, str | None]] = field(default_factory=list)

    def announce(self, path: Path, prefix: IPv4Network, refusal: str | None) -> None:
        for i, (other, known, was) in enumerate(self.table):
            if (other, known.neighbor) == (prefix, path.neighbor):
                if was is None and refusal is None:
                    self.table[i] = (prefix, path, None)
                    return
                del self.table[i]
                break
        self.table.append((prefix, path, refusal))

    def withdraw(self, neighbor: str, prefix: IPv4Network) -> None:
        self.table = [row for row in self.table if (row[0], row[1].neighbor) != (prefix, neighbor)]

    def clear(self, neighbor: str) -> None:
        self.table = [row for row in self.table if row[1].neighbor != neighbor]

    def accepted(self) -> list[tuple[IPv4Network, Path]]:
        return [(prefix, path) for prefix, path, refusal in self.table if refusal is None][: self.limit]

    def best(self) -> dict[IPv4Network, tuple[Path, ...]]:
        best = {}
        for prefix in {prefix for prefix, _ in self.accepted()}:
            paths = [path for other, path in self.accepted() if other == prefix]
            best[prefix] = tuple(
                sorted(
                    (p for p in paths if all(len(p.as_path) <= len(q.as_path) for q in paths)), key=lambda p: p.neighbor
                )
            )
        return best


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("announce"),
            st.sampled_from(NEIGHBORS),
            st.sampled_from(PREFIXES),
            st.integers(1, 3),
            st.sampled_from([None, None, "loop"]),
        ),
        st.tuples(st.just("withdraw"), st.sampled_from(NEIGHBORS), st.sampled_from(PREFIXES)),
        st.tuples(st.just("clear"), st.sampled_from(NEIGHBORS)),
    ),
    max_size=60,
)


@given(steps, st.sampled_from([1, 2, 5, None]))
def test_the_rib_agrees_with_the_naive_one(steps: list[tuple], limit: int | None) -> None:
    rib, naive = Rib(limit), Naive(limit)
    for step in steps:
        for table in (rib, naive):
            match step:
                case ("announce", neighbor, prefix, length, refusal):
                    table.announce(path(neighbor, length), prefix, refusal)
                case ("withdraw", neighbor, prefix):
                    table.withdraw(neighbor, prefix)
                case ("clear", neighbor):
                    table.clear(neighbor)
        assert dict(rib.best()) == naive.best()
    for neighbor in NEIGHBORS:
        mine = [row for row in naive.table if row[1].neighbor == neighbor]
        assert dict(rib.accepted(neighbor)) == dict(row for row in naive.accepted() if row[1].neighbor == neighbor)
        assert rib.refused_count(neighbor) == len(mine) - len(rib.accepted(neighbor))
        assert len(rib.refused(neighbor, 100)) == rib.refused_count(neighbor)
        assert {prefix for prefix, _ in rib.refused(neighbor, 100)} == {row[0] for row in mine} - set(
            rib.accepted(neighbor)
        )


def test_what_is_over_the_limit_comes_in_when_there_is_room() -> None:
    rib = Rib(2)
    for prefix in PREFIXES[:3]:
        rib.announce(path("a", 1), prefix, None)
    assert rib.refused("a", 9) == ((PREFIXES[2], "the limit of 2 prefixes is reached"),)
    rib.withdraw("a", PREFIXES[0])
    assert set(rib.best()) == set(PREFIXES[1:3])


def test_a_flood_is_bounded_in_memory_and_its_peer_asked_again_when_it_has_ebbed() -> None:
    rib = Rib(2)
    flood = list(IPv4Network("10.0.0.0/8").subnets(new_prefix=20))
    for prefix in flood:
        rib.announce(path("a", 1), prefix, None)
    assert rib.refused_count("a") == len(flood) - 2
    assert len(rib.refused("a", 10_000)) == 2 * KEPT_PER_ACCEPTED - 2
    assert rib.forgetful() == ()
    for prefix in flood[:19]:
        rib.withdraw("a", prefix)
    assert rib.forgetful() == ("a",)
    rib.clear("a")
    assert rib.forgetful() == ()


def test_a_flood_of_nonsense_is_not_asked_for_again() -> None:
    rib = Rib(2)
    for prefix in IPv4Network("10.0.0.0/8").subnets(new_prefix=20):
        rib.announce(path("a", 1), prefix, "nonsense")
    assert rib.forgetful() == ()


def test_the_end_of_a_session_forgets_its_end_of_rib() -> None:
    rib = Rib(None)
    rib.end_of_rib("a")
    assert rib.complete("a")
    rib.clear("a")
    assert not rib.complete("a")

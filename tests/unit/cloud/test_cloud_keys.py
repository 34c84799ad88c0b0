"""The rule of pre-shared keys, and new keys."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cloud.keys import PSK_ALPHABET, PSK_LENGTH, generate_psk, is_psk


@pytest.mark.parametrize("key", ["a", "Z", "0", "_", "-", "0X12", "x0", "s0x", "00x", "a" * 20, "0-x", "0S"])
def test_the_cloud_takes(key: str) -> None:
    assert is_psk(key)


@pytest.mark.parametrize("key", ["", "a" * 21, "0x", "0s", "0xabc", "0sabc", "a b", "a.b", "a\n", "ä", "密", "a/b"])
def test_the_cloud_does_not_take(key: str) -> None:
    assert not is_psk(key)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=24))
def test_the_rule_is_its_words(text: str) -> None:
    in_words = 1 <= len(text) <= 20 and set(text) <= set(PSK_ALPHABET) and text[:2] not in ("0x", "0s")
    assert is_psk(text) == in_words


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_new_key_is_one_that_the_cloud_takes(chance: Random) -> None:
    key = generate_psk(chance)
    assert is_psk(key)
    assert len(key) == PSK_LENGTH


class Loaded(Random):
    """Gives these characters first."""

    def __init__(self, first: str) -> None:
        super().__init__(0)
        self.first = list(first)

    def choice(self, seq: str) -> str:  # type: ignore[override]
        return self.first.pop(0) if self.first else str(super().choice(seq))


@pytest.mark.parametrize("prefix", ["0x", "0s"])
def test_a_key_that_would_be_read_as_an_encoding_is_thrown_again(prefix: str) -> None:
    chance = Loaded(prefix + "a" * 18)
    key = generate_psk(chance)
    assert not chance.first
    assert not key.startswith(prefix)
    assert is_psk(key)


def test_keys_use_the_whole_alphabet() -> None:
    chance = Random(1)  # noqa: S311 - the test wants the same keys each time
    assert set("".join(generate_psk(chance) for _ in range(200))) == set(PSK_ALPHABET)

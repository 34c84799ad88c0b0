"""From models back to what files hold."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from lab.spec.dumping import dumped


class Interrupted(IPv4Address):
    def __str__(self):
        raise KeyboardInterrupt


class Wrong(IPv4Address):
    def __str__(self):
        raise OSError("no such thing")


class Model(BaseModel):
    address: IPv4Address


def test_addresses_are_text():
    assert dumped(Model(address=IPv4Address("192.0.2.1"))) == {"address": "192.0.2.1"}


def test_an_interrupt_in_the_middle_is_one():
    with pytest.raises(KeyboardInterrupt):
        dumped(Model.model_construct(address=Interrupted("192.0.2.1")))


def test_another_error_is_none():
    with pytest.raises(PydanticSerializationError, match="no such thing"):
        dumped(Model.model_construct(address=Wrong("192.0.2.1")))

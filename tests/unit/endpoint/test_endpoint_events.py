"""What an endpoint tells of what charon says; charon is a stand-in."""

from __future__ import annotations

import pytest

from endpoint import endpoint as module
from endpoint.endpoint import Endpoint
from lab.plan.compile import compile_plan
from lab.spec.load import reference

NODE = next(node for node in compile_plan(reference()).nodes if node.name == "hq-gw")
TUNNEL = NODE.endpoint.tunnels[0]
PROPOSED = "received proposals: IKE:AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256"
CONFIGURED = "configured proposals: IKE:AES_CBC_256/HMAC_SHA2_384_192/PRF_HMAC_SHA2_384/ECP_384"


class Charon:
    """Runs, cannot be asked anything, and says what `lines` holds."""

    commands = None
    pid = 7
    restarts = 0
    last_exit = None
    why_silent = None

    def __init__(self):
        self.lines = []

    def __call__(self, *_, **__):
        return self

    def ensure(self, _retransmission): ...

    def process(self):
        return self

    def take(self):
        while self.lines:
            yield "log", {"msg": self.lines.pop(0).encode(), "ikesa-name": TUNNEL.name.encode()}


@pytest.fixture
def charon(monkeypatch):
    charon = Charon()
    monkeypatch.setattr(module, "Charon", charon)
    return charon


def test_each_reason_is_told_once_however_often_the_attempt_fails(charon, tmp_path):
    endpoint = Endpoint(tmp_path, now=lambda: 0.0)
    endpoint.start(NODE.endpoint)
    told = []
    for _ in range(3):
        charon.lines += [PROPOSED, CONFIGURED]
        told += [event.text for event in endpoint.process()]
    assert len(told) == 2
    assert told[1].startswith(f"{told[0]}; configured here: ")
    charon.lines += ["received AUTHENTICATION_FAILED notify error"]
    assert [event.text for event in endpoint.process()] == ["AUTHENTICATION_FAILED from the peer"]

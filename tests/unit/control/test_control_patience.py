import pytest

from lab.control.patience import ready_s
from lab.plan.compile import compile_plan
from lab.spec.load import reference
from lab.substrate import pace


@pytest.mark.parametrize(
    ("substrate", "seconds"), [("netns", 60), ("microvm", 60), ("docker", 150), ("microvm-docker", 150)]
)
def test_each_container_is_waited_for_longer_and_all_in_proportion_to_the_hosts_slowness(
    monkeypatch, substrate, seconds
):
    plan = compile_plan(reference())
    assert len(plan.nodes) == 6
    monkeypatch.setattr(pace, "slowness", lambda: 2.0)
    assert ready_s(plan, substrate) == 2 * seconds

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from endpoint.errors import EndpointError
from lab.node.problems import Problems


@pytest.mark.parametrize(
    "refusal", [EndpointError("no charon", mend="install it"), OSError("no room"), NetlinkError(17, "no link")]
)
def test_what_is_refused_is_a_problem_of_its_part_until_that_succeeds(refusal):
    problems = Problems()
    with problems.noted("tunnels"):
        raise refusal
    with problems.noted("filters"):
        pass
    assert bool(problems)
    assert problems.listed() == (f"tunnels: {refusal}",)
    with problems.noted("tunnels"):
        pass
    assert not problems
    assert problems.listed() == ()


def test_a_bug_is_no_problem_of_the_node():
    problems = Problems()
    with pytest.raises(ValueError, match="bug"), problems.noted("tunnels"):
        raise ValueError("bug")
    assert not problems

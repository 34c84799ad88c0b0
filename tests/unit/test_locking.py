import os

import pytest

from lab.locking import try_lock


@pytest.mark.parametrize(("held", "wanted", "gets"), [(False, False, False), (False, True, False), (True, True, True)])
def test_a_lock_is_had_alone_or_by_all_who_share_it(tmp_path, held, wanted, gets):
    file = tmp_path / "lock"
    file.touch()
    first, second = (os.open(file, os.O_RDWR) for _ in range(2))
    assert try_lock(first, shared=held)
    assert try_lock(second, shared=wanted) is gets
    os.close(first)
    assert try_lock(second)
    os.close(second)

import os
import time

from lab.loop import Loop


def test_a_descriptor_that_was_closed_and_made_anew_with_the_same_number_is_heard():
    loop = Loop(time.monotonic)
    loop.call_at(time.monotonic() + 10, loop.stop)
    heard = []
    old, old_writer = os.pipe()
    watched = loop.watch_instead((), {old: lambda: heard.append("old")})
    os.close(old)
    new, new_writer = os.pipe()
    assert new == old

    def hear_new():
        heard.append(os.read(new, 10))
        loop.stop()

    loop.watch_instead(watched, {new: hear_new})
    os.write(new_writer, b"new")
    loop.run()
    assert heard == [b"new"]
    loop.close()
    for fileno in (old_writer, new, new_writer):
        os.close(fileno)

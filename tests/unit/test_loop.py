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


def test_who_always_wants_to_be_called_at_once_does_not_keep_a_descriptor_from_being_served():
    loop = Loop(lambda: 5.0)
    reader, writer = os.pipe()
    calls = []

    def call_again():
        calls.append(os.write(writer, b"x"))
        assert len(calls) < 10, "the descriptor is never served"
        loop.call_at(0.0, call_again)

    loop.call_at(0.0, call_again)
    loop.watch(reader, loop.stop)
    loop.run()
    loop.close()
    for fileno in (reader, writer):
        os.close(fileno)


def test_what_was_due_when_the_loop_was_stopped_is_done_when_it_runs_again():
    loop = Loop(lambda: 5.0)
    done = []
    loop.call_at(1.0, loop.stop)
    loop.call_at(2.0, lambda: done.append("second"))
    loop.call_at(3.0, loop.stop)
    loop.run()
    assert done == []
    loop.run()
    assert done == ["second"]
    loop.close()


def test_a_timer_that_another_one_cancels_does_not_happen_though_both_are_due():
    loop = Loop(lambda: 5.0)
    done = []
    later = loop.call_at(2.0, lambda: done.append("cancelled"))
    loop.call_at(1.0, later.cancel)
    loop.call_at(3.0, loop.stop)
    loop.run()
    assert done == []
    loop.close()

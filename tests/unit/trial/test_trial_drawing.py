"""What a drawing shows, and where."""

from __future__ import annotations

from dataclasses import replace

from trial_examples import FLOWS, T0, TRIAL, blackhole_trial, clean, direction, flow

from lab.trial.drawing import close_up, numbered, whole_trial
from lab.trial.model import LossRun

TUNNELS = ("hq-1", "hq-2")
BLACKHOLE = blackhole_trial(T0)


def of_class(drawing, name):
    return [part for part in drawing.iter() if name in part.get("class", "").split()]


def with_fault(trial, **changes):
    before, fault, after = trial.phases
    return replace(trial, phases=(before, replace(fault, **changes), after))


def test_every_flow_that_lost_packets_has_its_loss_drawn_as_long_as_it_lasted():
    drawing = whole_trial(BLACKHOLE, TUNNELS)
    losses = of_class(drawing, "loss")
    assert len(losses) == FLOWS  # every second one of each direction
    assert of_class(whole_trial(TRIAL, TUNNELS), "loss") == []
    per_second = (896 - 112) / (BLACKHOLE.phases[-1].ended_at - BLACKHOLE.phases[0].began_at)
    first = BLACKHOLE.phases[1].direction("cloud").flows[0].losses[0]
    assert abs(float(losses[0].get("width")) - per_second * (first.last_at - first.first_at)) < 0.1


def test_a_close_up_shows_the_moments_of_the_fault_by_their_numbers():
    numbers = [part.text for part in of_class(close_up(BLACKHOLE, TUNNELS), "flag-number")]
    assert numbers == [str(one.number) for one in numbered(BLACKHOLE)][: len(BLACKHOLE.phases[1].moments)]


def test_moments_at_the_same_time_do_not_cover_each_other():
    circles = of_class(close_up(BLACKHOLE, TUNNELS), "flag")
    places = [(float(circle.get("cx")), float(circle.get("cy"))) for circle in circles]
    for number, (x, y) in enumerate(places):
        assert all(abs(x - other) > 15 or y != row for other, row in places[:number])


def test_a_trial_without_a_moment_has_no_close_up():
    assert close_up(with_fault(TRIAL, moments=()), TUNNELS) is None


def test_losses_too_close_to_be_told_apart_are_one_mark():
    begin = TRIAL.phases[1].began_at
    runs = tuple(LossRun(begin + 0.0001 * number, begin + 0.0001 * number, 1) for number in range(500))
    lossy = direction("cloud", [flow(0, 500, runs, tunnel_before="hq-1", tunnel_after="hq-1")])
    (mark,) = of_class(whole_trial(with_fault(TRIAL, directions=(lossy, clean("idc", 2000))), TUNNELS), "loss")
    assert mark.find("title").text.startswith("flow 0: 500 lost")


def test_a_flow_changes_colour_when_its_sender_s_routes_change():
    fault = TRIAL.phases[1]
    changed = next(moment.at for moment in fault.moments if moment.kind == "routes-changed" and moment.side == "cloud")
    drawing = close_up(TRIAL, TUNNELS)
    ends = {part.get("x2") for part in of_class(drawing, "tunnel-0")}
    pole = next(part for part, one in zip(of_class(drawing, "pole"), fault.moments, strict=True) if one.at == changed)
    assert pole.get("x1") in ends

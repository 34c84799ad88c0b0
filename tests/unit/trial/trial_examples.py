"""Results to render: a run that passed, and one in which much went wrong. The figures are made up."""

from __future__ import annotations

from lab.trial.model import (
    Budgets,
    Carried,
    DirectionResult,
    FailoverReport,
    FlowResult,
    Lateness,
    LossRun,
    Moment,
    Phase,
    ProbeLoad,
    TcpResult,
    Trial,
    Verdict,
)

T0 = 1_764_050_000.0
FLOWS, RATE, FIRST_PORT, SINK = 4, 1000.0, 9100, 9000
ON_TIME = Lateness(worst_s=0.004, skipped=0, longest_silence_s=0.005, rate=999.8, dropped=0, refusal=None)
TOO_LATE = Lateness(
    worst_s=0.049, skipped=580, longest_silence_s=0.58, rate=871.0, dropped=0,
    refusal="the prober sent nothing for 580 ms: this host was too busy",
)  # fmt: skip


def flow(number, sent, losses=(), **values):
    lost = sum(run.packets for run in losses)
    gap = max((run.last_at - run.first_at + 0.032 for run in losses), default=0.0171)
    return FlowResult(
        number, FIRST_PORT + number, SINK, sent, lost, values.pop("duplicated", 0), values.pop("reordered", 0),
        round(gap, 4), tuple(losses), **values,
    )  # fmt: skip


def direction(sender, flows, lateness=ON_TIME, **values):
    runs = [run for flow in flows for run in flow.losses]
    first, last = (min(run.first_at for run in runs), max(run.last_at for run in runs)) if runs else (None, None)
    return DirectionResult(
        sender=sender,
        sent=sum(flow.sent for flow in flows),
        lost=sum(flow.lost for flow in flows),
        duplicated=sum(flow.duplicated for flow in flows),
        reordered=sum(flow.reordered for flow in flows),
        outage_s=round(last - first + 1 / RATE, 4) if runs else 0.0,
        longest_gap_s=max(flow.longest_gap_s for flow in flows),
        first_lost_at=first,
        last_lost_at=last,
        median_delay_s=0.0021,
        lateness=lateness,
        flows=tuple(flows),
        **values,
    )


def clean(sender, packets, before="hq-1", after="hq-1"):
    tunnels = ("hq-1", "hq-2")
    return direction(sender, [
        flow(number, packets // FLOWS, tunnel_before=tunnels[number % 2] if before == "both" else before,
             tunnel_after=tunnels[number % 2] if after == "both" else after)
        for number in range(FLOWS)
    ])  # fmt: skip


def cut(sender, packets, begin, end, **values):
    """Every second flow loses all that it sends from `begin` to `end`."""
    step = FLOWS / RATE
    flows = []
    for number in range(FLOWS):
        broken = number % 2 == 0
        first = begin + number / RATE
        missing = int((end - first) / step)
        run = LossRun(first, round(first + (missing - 1) * step, 4), missing)
        flows.append(flow(
            number, packets // FLOWS, (run,) if broken else (), tunnel_before="hq-1" if broken else "hq-2",
            tunnel_after="hq-2", duplicated=1 if number == 3 else 0, reordered=2 if number == 1 else 0,
        ))  # fmt: skip
    return direction(sender, flows, **values)


def tcp(stall_s, at, received=800_000.0, broken=None):
    return TcpResult("cloud", "hq-1", 800_000.0, received, stall_s, at, broken)


def baseline(at):
    return Phase("baseline", at, at + 2, (), (clean("cloud", 2000, "both", "both"), clean("idc", 2000, "both", "both")),
                 (Carried("cloud", "hq-1", 1003), Carried("cloud", "hq-2", 998)), tcp(0.024, None))  # fmt: skip


def restored(at):
    moments = (
        Moment(at, "undone", "the session of hq-1 may come up again"),
        Moment(at + 0.9, "routes-changed", "10.0.1.0/24 over xfrm1 and xfrm2", "idc", "hq-gw"),
        Moment(at + 1.0, "routes-changed", "172.16.1.0/24 over xfrm1 and xfrm2", "cloud", "bgw1"),
        Moment(at + 1.4, "ready", "the lab is ready"),
    )
    directions = (clean("cloud", 3000, "hq-2", "both"), clean("idc", 3000, "hq-2", "both"))
    return Phase("restore", at, at + 3, moments, directions,
                 (Carried("cloud", "hq-1", 940), Carried("cloud", "hq-2", 2051)), tcp(0.03, None))  # fmt: skip


def quiet_trial(fault, run, at):
    moments = (
        Moment(at + 2, "applied", "hq-gw closes its session over hq-1"),
        Moment(at + 2.011, "detected", "session hq-1: closed by itself", "idc", "hq-gw", "admin status"),
        Moment(at + 2.013, "routes-changed", "10.0.1.0/24 over xfrm2", "idc", "hq-gw"),
        Moment(at + 2.018, "detected", "session hq-1: the peer closed the connection", "cloud", "bgw1", "BGP closed"),
        Moment(at + 2.024, "routes-changed", "172.16.1.0/24 over xfrm2", "cloud", "bgw1"),
        Moment(at + 2.024, "moved", "all flows are on hq-2"),
    )
    figures = {"cloud": (0.018, "BGP closed"), "idc": (0.011, "admin status")}
    directions = []
    for side, (seconds, cause) in figures.items():
        whole = clean(side, 2000, "both", "hq-2")
        directions.append(direction(side, whole.flows, detection_s=seconds, detected_by=cause, convergence_s=0.0))
    return Trial(
        fault, "the BGP session is closed by the customer's device", "hq-1", run,
        (baseline(at), Phase("fault", at + 2, at + 4, moments, tuple(directions), (Carried("cloud", "hq-2", 2004),),
                             tcp(0.028, None)), restored(at + 4)),
        (Verdict("traffic is on hq-2", "passed", "4 of 4 flows, both ways"),
         Verdict("traffic is back", "passed", "2 of 4 flows on hq-1"),
         Verdict("no direction is without traffic for more than 200 ms", "passed", "0 ms, 0 ms")),
    )  # fmt: skip


def blackhole_trial(at):
    moments = (
        Moment(at + 2, "applied", "all packets between 203.0.113.10 and 198.51.100.10 are dropped"),
        Moment(at + 4.62, "detected", "session hq-1: hold timer expired", "cloud", "bgw1", "hold timer"),
        Moment(at + 4.626, "routes-changed", "172.16.1.0/24 over xfrm2", "cloud", "bgw1"),
        Moment(at + 4.91, "detected", "session hq-1: hold timer expired", "idc", "hq-gw", "hold timer"),
        Moment(at + 4.918, "routes-changed", "10.0.1.0/24 over xfrm2", "idc", "hq-gw"),
        Moment(at + 4.93, "last-lost", "the last packet lost was sent", "idc", "hq-host"),
        Moment(at + 4.931, "moved", "all flows are on hq-2"),
        Moment(at + 5.4, "detected", "IKE SA hq-1: no answer to DPD", "cloud", "bgw1", "DPD"),
    )
    cloud = cut("cloud", 5000, at + 2.0, at + 4.63, detection_s=2.62, detected_by="hold timer", convergence_s=0.01)
    idc = cut("idc", 5000, at + 2.0, at + 4.93, detection_s=2.91, detected_by="hold timer", convergence_s=0.02)
    return Trial(
        "blackhole", "the path of the tunnel drops everything, silently", "hq-1", 1,
        (baseline(at), Phase("fault", at + 2, at + 7, moments, (cloud, idc), (Carried("cloud", "hq-2", 4021),),
                             tcp(3.41, at + 2.0, 402_000.0)), restored(at + 7)),
        (Verdict("traffic is on hq-2", "passed", "4 of 4 flows, both ways"),
         Verdict("traffic is back", "passed", "2 of 4 flows on hq-1")),
    )  # fmt: skip


def failed_trial(at):
    stuck = cut("cloud", 10000, at + 2.0, at + 12.0)
    late = direction("idc", clean("idc", 8640).flows, TOO_LATE)
    moments = (Moment(at + 2, "applied", "port wan1 of hq-gw goes down <b>&amp; stays</b>"),)
    fault = Phase("fault", at + 2, at + 12, moments, (stuck, late), (), tcp(9.9, at + 2, 11_000.0, "reset"))
    return Trial(
        "port", "the interface that carries the tunnel goes down", "hq-2", 3, (baseline(at), fault),
        (Verdict("traffic is on hq-1", "failed", 'flows 0 and 2 are still on "hq-2" <script>alert(1)</script>'),
         Verdict("loss from the IDC", "unmeasured", TOO_LATE.refusal)),
        failure="interrupted while waiting for traffic to move",
    )  # fmt: skip


TRIAL = quiet_trial("bgp-session", 1, T0)
REPORT = FailoverReport(
    version=1,
    lab="ha",
    substrate="microvm",
    timers="fast",
    started_at=T0,
    ended_at=T0 + 41.5,
    command="vpnlab failover --fault bgp-session --fault blackhole --runs 3",
    load=ProbeLoad(FLOWS, RATE, 64),
    budgets=Budgets(max_loss_ms=3500.0),
    trials=(TRIAL, quiet_trial("bgp-session", 2, T0 + 10), blackhole_trial(T0 + 20)),
)
FAILED = FailoverReport(
    version=1,
    lab="ha",
    substrate="netns",
    timers="production",
    started_at=T0,
    ended_at=T0 + 30,
    command="vpnlab failover --fault 'port' --max-loss-ms 200",
    load=ProbeLoad(FLOWS, RATE, 64),
    budgets=Budgets(max_loss_ms=200.0),
    trials=(TRIAL, failed_trial(T0 + 10)),
)

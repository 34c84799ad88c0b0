"""The report as JUnit XML, which CI systems read: a test case for each question that was asked of a trial. Pure."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from lab.trial import figures
from lab.trial.markup import element
from lab.trial.model import FailoverReport, Trial

# There is no standard; the names are those of the schema that Jenkins and GitLab document.


def junit_report(report: FailoverReport) -> str:
    """The report as text of an XML file. What could not be measured is an error, neither success nor failure."""
    suites = [_suite(trial) for trial in report.trials]
    whole = element(
        "testsuites", *suites, name=f"vpnlab failover of {report.lab}", time=_s(report.ended_at - report.started_at),
        **{key: str(sum(int(suite.get(key, "0")) for suite in suites)) for key in ("tests", "failures", "errors")},
    )  # fmt: skip
    ET.indent(whole)
    return ET.tostring(whole, encoding="unicode", xml_declaration=False) + "\n"


def _suite(trial: Trial) -> ET.Element:
    name = f"{trial.fault}.{trial.tunnel}.{trial.run}"
    cases = []
    for verdict in trial.verdicts:
        answer = None
        if verdict.outcome != "passed":
            answer = element("failure" if verdict.outcome == "failed" else "error", message=verdict.text)
        cases.append(element("testcase", answer, classname=name, name=verdict.question))
    if trial.failure is not None:
        cases.append(element(
            "testcase", element("error", message=trial.failure), classname=name, name="the trial goes to its end"
        ))  # fmt: skip
    lasted = trial.phases[-1].ended_at - trial.phases[0].began_at if trial.phases else 0.0
    return element(
        "testsuite", *cases, element("system-out", "\n".join(_lines(trial))), name=name, time=_s(lasted),
        tests=str(len(cases)), failures=_count(cases, "failure"), errors=_count(cases, "error"),
    )  # fmt: skip


def _lines(trial: Trial) -> list[str]:
    """The figures of every phase and direction."""
    return [
        f"{phase.name}, {figures.WAYS[one.sender]}: lost {figures.lost(one)}, outage {figures.outage(one)}, "
        f"detection {figures.detection(one)}, convergence {figures.seconds(one.convergence_s)}"
        for phase in trial.phases
        for one in phase.directions
    ]


def _count(cases: list[ET.Element], tag: str) -> str:
    return str(sum(case.find(tag) is not None for case in cases))


def _s(value: float) -> str:
    return f"{value:.3f}"

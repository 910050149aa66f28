"""A run as JUnit XML, which every continuous integration shows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Sequence

from sim.regress.job import Verdict
from sim.regress.outcome import Outcome, Regression
from sim.regress.report import many, unseen_line

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0


def to_junit(run: Regression) -> str:
    """Return the XML: a test suite for each kind of job, a test case for each job."""
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in run.outcomes:
        kinds[outcome.job.kind].append(outcome)
    root = ElementTree.Element("testsuites", _sums(f"a2q regress {run.suite}", run.outcomes))
    if run.covers:
        _coverage(root, run)
    for kind, outcomes in sorted(kinds.items()):
        suite = ElementTree.SubElement(root, "testsuite", _sums(kind, outcomes))
        for outcome in outcomes:
            _case(suite, outcome)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, outcome: Outcome) -> None:
    result = outcome.result
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"{outcome.job.kind}.{outcome.job.unit}",
        name=_clean(outcome.job.name), time=f"{0 if outcome.believed else result.seconds:.3f}",
    )  # fmt: skip
    if not outcome.passed:
        tag = "error" if result.verdict is Verdict.DIED else "failure"
        problem = ElementTree.SubElement(case, tag, message=_clean(result.signature))
        problem.text = _clean(f"{result.report}\n\nreplay: {result.replay}")
    out = ElementTree.SubElement(case, "system-out")
    counts = ", ".join(f"{name} {count}" for name, count in result.counts.items())
    out.text = _clean(f"{outcome.job.why}\n{outcome.reason}\n{counts}")


def _coverage(root: ElementTree.Element, run: Regression) -> None:
    """Add a test case of its own: that every functional bin is hit."""
    sums = {
        "tests": 1, "failures": bool(run.uncovered), "errors": 0, "skipped": bool(run.unseen)
    }  # fmt: skip
    for name, more in sums.items():
        root.set(name, str(int(root.get(name, "0")) + more))
    attributes = {"name": "coverage", **{name: str(int(more)) for name, more in sums.items()}}
    suite = ElementTree.SubElement(root, "testsuite", attributes, time="0.000")
    case = ElementTree.SubElement(
        suite, "testcase", classname="coverage", name="every functional bin is hit", time="0.000"
    )
    if run.uncovered:
        message = f"{many(len(run.uncovered), 'functional bin')} not covered"
        problem = ElementTree.SubElement(case, "failure", message=message)
        problem.text = _clean("\n".join(f"not covered: {name}" for name in run.uncovered))
    elif run.unseen:
        ElementTree.SubElement(case, "skipped", message=unseen_line(run))


def _sums(name: str, outcomes: Sequence[Outcome]) -> dict[str, str]:
    died = sum(each.result.verdict is Verdict.DIED for each in outcomes)
    failed = sum(each.result.verdict is Verdict.FAILED for each in outcomes)
    seconds = sum(each.result.seconds for each in outcomes if not each.believed)
    return {
        "name": _clean(name),
        "tests": str(len(outcomes)),
        "failures": str(failed),
        "errors": str(died),
        "skipped": "0",
        "time": f"{seconds:.3f}",
    }


def _clean(text: str) -> str:
    return _ILLEGAL.sub("?", text)

"""A regression as one page of HTML that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from sim.coverage import Share
from sim.regress.outcome import Regression
from sim.regress.report import ago, change_lines, counted, many, per_unit, unseen_line

_TEMPLATE = Path(__file__).with_name("page.html")


def to_html(regression: Regression) -> str:
    """Return the page."""
    import jinja2  # which only those have who regress

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"percent": _percent, "many": many}
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    changes = regression.changes
    mutants = [each for each in regression.outcomes if "fate" in each.result.details]
    return template.render(
        run=regression,
        since=ago(changes.since) if changes else None,
        changes=change_lines(regression),
        units=per_unit(regression),
        unseen=unseen_line(regression),
        counted=counted,
        mutants=[(each, each.result.details) for each in mutants],
        jobs=sorted(regression.outcomes, key=lambda each: (each.passed, each.job.name)),
        ran=sum(not each.believed for each in regression.outcomes),
    )


def _percent(share: Share | None) -> float:
    return (share.percent or 0) if share else 0

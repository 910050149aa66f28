"""Results as files and on the terminal: CSV, JSON, a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from a2q_ref.experiments.studies import Question, Results, Study
from a2q_ref.jobs import dataset
from a2q_ref.training import versions
from golden.archive import whole_file

_SHARES = ("accuracy", "sparsity", "overflow_rate", "rows_")  # how the names of shares begin


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "min": min(values), "max": max(values)}


def write(study: Study, question: Question, results: Results, folder: Path) -> None:
    """Write ``<name>.json`` and ``<name>.csv``, each whole or not at all."""
    test = dataset(question.data, 8).test
    document = {
        "experiment": study.name,
        "title": study.title,
        "finding": study.finding(results),
        "dataset": {"name": dataset(question.data, 8).name, **test.origin},
        "recipe": {
            name: value for name, value in asdict(question.recipe).items() if name != "seed"
        },
        "seeds": list(range(question.seeds)),
        "versions": {**versions(), "matplotlib": matplotlib.__version__},
        "measures": study.measures,
        "points": [
            {
                "series": row.series,
                study.x: row.x,
                **{name: {**spread(v), "values": v} for name, v in row.values.items()},
            }
            for row in results.rows
        ],
        "refused": [
            {"series": point.series, study.x: point.x, "why": point.refused}
            for point in results.refused
        ],
    }
    with whole_file(folder / f"{study.name}.json") as partial:
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    with (
        whole_file(folder / f"{study.name}.csv") as partial,
        partial.open("w", encoding="utf-8", newline="") as stream,
    ):
        lines = [_flat(study.x, point) for point in document["points"]]
        writer = csv.DictWriter(stream, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _flat(x: str, point: dict[str, Any]) -> dict[str, Any]:
    flat = {"series": point["series"], x: point[x]}
    for name, value in point.items():
        if name not in flat:
            flat |= {f"{name}_{which}": value[which] for which in ("mean", "min", "max")}
    return flat


def table(study: Study, question: Question, results: Results) -> Table:
    """Return means, one line for each place on the axis; shares in percent."""
    made = Table(
        title=f"{study.title}: means over {runs(question)}",
        title_style="bold", title_justify="left", box=SIMPLE_HEAD, padding=0,
    )  # fmt: skip
    made.add_column(study.x, justify="right", vertical="bottom")
    for heading, _, measure in study.columns:
        share = measure.startswith(_SHARES)
        made.add_column(heading + "\n%" * share, justify="right", vertical="bottom")
    for x in sorted({row.x for row in (*results.rows, *results.refused)}, reverse=True):
        cells = [
            _cell(measure, results.values(series, x, measure))
            for _, series, measure in study.columns
        ]
        if any(cells):
            made.add_row(f"{x:g}", *(cell or "-" for cell in cells))
    return made


def _cell(measure: str, values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = float(np.mean(values))
    return f"{100 * mean:.1f}" if measure.startswith(_SHARES) else f"{mean:.3g}"


def runs(question: Question) -> str:
    return "1 seed" if question.seeds == 1 else f"{question.seeds} seeds"


def caption(study: Study, question: Question) -> str:
    """Return what a plot is of, in one line."""
    images = dataset(question.data, 8)
    parts = [f"{images.name}, {images.test.values.shape[1]} inputs, {images.classes} classes"]
    if study.name != "few-bits":
        parts.append("M = N = 8, unsigned inputs")
    parts.append(f"lines: mean, bands: min to max over {runs(question)}")
    return "; ".join(parts)

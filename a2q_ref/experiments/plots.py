"""Results as plots, PNG and SVG: the same numbers give the same bytes.

Colours are those of Okabe and Ito, told apart by the colour-blind; markers and dashes tell the
lines apart without any colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MultipleLocator,
    NullFormatter,
    PercentFormatter,
)

from a2q_ref.experiments import studies
from a2q_ref.experiments.studies import A2Q, A2Q_PLUS, BASELINE, Results, Study
from golden.archive import whole_file

DPI = 200

_BLUE, _VERMILION, _GREEN, _PURPLE, _ORANGE, _INK, _PALE = (
    "#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#333333", "#707070",
)  # fmt: skip
_STYLE = {
    "svg.hashsalt": "a2q",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E8E8E8",
    "grid.linewidth": 0.8,
    "xtick.color": _PALE,
    "ytick.color": _PALE,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
    "legend.handlelength": 3.4,
}


@dataclass(frozen=True)
class Line:
    series: str
    label: str
    colour: str
    dashes: str = "-"
    marker: str = "o"


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    measure: str
    title: str
    unit: str  # "%", or the text of the axis
    lines: Sequence[Line]
    limit: str = ""  # a measure to draw thinly beside
    bound: str = ""  # a series whose one point is a width to mark


_OVERFLOW = (
    Line(A2Q, "A2Q", _BLUE),
    Line(studies.WRAP, "baseline: wraps", _VERMILION, "-.", "D"),
    Line(studies.SATURATE, "saturates", _ORANGE, "--", "s"),
    Line(studies.SHUFFLED, "saturates, columns in random orders", _PURPLE, ":", "^"),
)
_ROUNDING = (
    Line(studies.TOWARD_ZERO, "toward zero", _BLUE),
    Line(studies.HALF_WAY, "half-way", _VERMILION, "--", "s"),
)
_METHODS = (Line(A2Q, "A2Q", _BLUE), Line(A2Q_PLUS, "A2Q+", _VERMILION, "--", "s"))
_PENALTY = tuple(
    Line(f"P={acc_bits}", f"P = {acc_bits}", *look)
    for acc_bits, look in zip(
        studies.PENALTY_WIDTHS,
        ((_VERMILION, "-.", "D"), (_GREEN, "--", "s"), (_BLUE, "-", "o")),
        strict=True,
    )
)


def _few_bits(bits: int) -> tuple[Line, ...]:
    styles = (*_METHODS, Line(BASELINE, "baseline at its data type bound", _INK, "", "*"))
    return tuple(
        Line(f"{style.series}, {bits} bits", style.label, style.colour, style.dashes, style.marker)
        for style in styles
    )


PANELS = {
    "overflow": (
        Panel("accuracy", "Accuracy", "%", _OVERFLOW),
        Panel("overflow_rate", "Results that overflow", "%", _OVERFLOW),
    ),
    "rounding": (
        Panel("rows_over_bound", "Rows over A2Q's bound, as trained", "%", _ROUNDING),
        Panel("rows_over_range", "Rows some input drives out of P bits", "%", _ROUNDING),
        Panel("accuracy", "Accuracy", "%", _ROUNDING),
        Panel("sparsity", "Weights that are zero", "%", _ROUNDING),
    ),
    "penalty": (
        Panel("rows_asking_too_much", "Rows with t > T before the clamp", "%", _PENALTY),
        Panel("accuracy", "Accuracy", "%", _PENALTY),
        Panel("final_loss", "Cross entropy at the end", "nats", _PENALTY),
        Panel("loss_spread", "Its spread, last tenth of training", "nats", _PENALTY),
    ),
    "few-bits": tuple(
        Panel(
            measure, f"{what}, M = N = {bits}", "%", _few_bits(bits),
            bound=f"{BASELINE}, {bits} bits",
        )
        for bits in studies.FEW_BITS
        for measure, what in (("accuracy", "Accuracy"), ("sparsity", "Weights that are zero"))
    ),
    "a2q-plus": (
        Panel("accuracy", "Accuracy", "%", _METHODS),
        Panel("sparsity", "Weights that are zero", "%", _METHODS),
        Panel(
            "l1_norm", "L1 norm, longest row", "LSB of weights (thin: allowed)", _METHODS,
            limit="l1_bound",
        ),
    ),
}  # fmt: skip


def plot(study: Study, results: Results, caption: str, folder: Path) -> None:
    """Write ``<name>.png`` and ``<name>.svg``, each whole or not at all."""
    with mpl.rc_context(_STYLE):
        figure = _figure(study, results, caption)
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            with whole_file(folder / f"{study.name}.{kind}") as partial:
                figure.savefig(partial, format=kind, dpi=DPI, metadata=metadata)


def _figure(study: Study, results: Results, caption: str) -> Figure:
    panels = PANELS[study.name]
    across = len(panels) if len(panels) < 4 else 2
    down = -(-len(panels) // across)
    height = 1.3 + 2.6 * down
    figure = Figure((8, height), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = 1 - 0.68 / height, 0.27 / height
    figure.get_layout_engine().set(rect=(0.005, bottom, 0.985, top - bottom), hspace=0.06)
    grid = figure.subplots(down, across, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=True):
        _draw(axes, panel, results, study)
    for axes in grid[-1]:
        axes.set_xlabel("accumulator width P (bits)" if study.x == "P" else "lambda")
    drawn = dict(zip(*reversed(grid[0, 0].get_legend_handles_labels()), strict=True))
    labels = [line.label for line in panels[0].lines]
    figure.legend(
        [drawn[label] for label in labels], labels, loc="upper left", ncols=len(labels),
        columnspacing=1.6, bbox_to_anchor=(0, 1 - 0.32 / height), fontsize=9.5,
    )  # fmt: skip
    figure.text(0.012, 1 - 0.1 / height, study.title, size=12, weight="bold", va="top")
    figure.text(0.012, 0.08 / height, caption, size=8, color=_PALE)
    return figure


def _draw(axes: Axes, panel: Panel, results: Results, study: Study) -> None:
    places = sorted({row.x for row in (*results.rows, *results.refused)})
    at = {x: x if study.x == "P" else index for index, x in enumerate(places)}
    percent = 100 if panel.unit == "%" else 1
    for line in reversed(panel.lines):  # the first on top
        rows = sorted(results.of(line.series), key=lambda row: row.x)
        x = [at[row.x] for row in rows]
        values = [percent * np.array(row.values[panel.measure]) for row in rows]
        means = [each.mean() for each in values]
        axes.fill_between(
            x, [v.min() for v in values], [v.max() for v in values],
            color=line.colour, alpha=0.15, linewidth=0,
        )  # fmt: skip
        axes.plot(
            x, means, linestyle=line.dashes or "none", marker=line.marker, color=line.colour,
            markersize=9 if line.marker == "*" else 4.5, markeredgecolor="white",
            markeredgewidth=0.5, linewidth=1.8, label=line.label, clip_on=False, zorder=3,
        )  # fmt: skip
        if panel.limit:
            limits = [np.mean(row.values[panel.limit]) for row in rows]
            axes.plot(x, limits, color=line.colour, linewidth=0.8, linestyle=line.dashes)
    axes.set_title(panel.title)
    if study.x == "P":
        axes.xaxis.set_major_locator(MultipleLocator(2 if len(places) > 6 else 1))
    else:
        axes.xaxis.set_major_locator(FixedLocator(list(at.values())))
        axes.set_xticks(list(at.values()), [f"{x:g}" for x in places])
    if panel.unit == "%":
        axes.set_ylim(0, 100)
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    else:
        axes.set_ylabel(panel.unit)
        shown = [v for line in panel.lines for v in results.all(line.series, panel.measure)]
        least, most = min((v for v in shown if v > 0), default=1), max(shown, default=1)
        if min(shown, default=1) > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 50 * least else (1,)))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:  # an axis that has a zero
            axes.set_yscale("symlog", linthresh=least)
            axes.set_ylim(0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if panel.bound:
        (row,) = results.of(panel.bound)
        axes.axvline(row.x, color=_PALE, linewidth=1, linestyle=":")
    series = {line.series for line in panel.lines}
    refused = sorted(point.x for point in results.refused if point.series in series)
    if len(refused) > 1:
        axes.axvspan(refused[0] - 0.5, refused[-1] + 0.5, color="#F0F0F0", zorder=0)
        axes.text(
            (refused[0] + refused[-1]) / 2, 0.55, "no A2Q: all weights zero",
            transform=axes.get_xaxis_transform(), rotation=90, ha="center", va="center", size=9,
            color=_PALE,
        )  # fmt: skip

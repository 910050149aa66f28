"""A sweep as a plot, PNG and SVG: the same numbers give the same bytes.

Colours, of Okabe and Ito, tell weights apart; dashes and markers tell stimuli apart.
"""

from __future__ import annotations

from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

from golden.archive import whole_file
from sim.sweep.grid import Series, Swept
from sim.sweep.report import heading, unit_name
from tb import stimulus

# By name, so that the types of this package hold without it: matplotlib is an optional set.
mpl = import_module("matplotlib")
Figure = import_module("matplotlib.figure").Figure
Line2D = import_module("matplotlib.lines").Line2D
ticker = import_module("matplotlib.ticker")

DPI = 200
MOST_PANELS = 24

_COLOURS = ("#0072B2", "#009E73", "#D55E00")  # blue, green, vermilion
_DASHES = {
    stimulus.REAL: ("-", "o"),
    stimulus.UNIFORM: ("-", "o"),
    stimulus.WORST: ("--", "s"),
    stimulus.MIXED: (":", "^"),
    stimulus.EDGES: ("-.", "D"),
}
_INK, _PALE = "#333333", "#707070"
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


def plot(swept: Swept, folder: Path) -> int:
    """Write ``sweep.png`` and ``sweep.svg``, each whole; return how many units they leave out."""
    panels = [list(group) for _, group in groupby(swept.series, key=lambda series: series.unit)]
    with mpl.rc_context(_STYLE):
        figure = _figure(swept, panels[:MOST_PANELS])
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            with whole_file(folder / f"sweep.{kind}") as partial:
                figure.savefig(partial, format=kind, dpi=DPI, metadata=metadata)
    return max(0, len(panels) - MOST_PANELS)


def _figure(swept: Swept, panels: list[list[Series]]) -> Any:
    across = min(len(panels), 4 if len(panels) > 4 else 2)
    down = -(-len(panels) // across)
    height = 1.45 + (3.4 if down == 1 else 2.4 * down)
    figure = Figure((8 if across < 3 else 11, height), layout="constrained")
    top, bottom = 1 - 0.95 / height, 0.42 / height
    figure.get_layout_engine().set(rect=(0.005, bottom, 0.985, top - bottom), hspace=0.06)
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    weights = list(dict.fromkeys(series.weights for panel in panels for series in panel))
    colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(weights)}
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw(axes, panel, colours)
        axes.set_title(unit_name(swept, panel[0]))
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes in grid.flat[max(0, len(panels) - across) : len(panels)]:
        axes.set_xlabel("accumulator width P (bits)")
        axes.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel("results that overflow")
    families = dict.fromkeys(series.family for panel in panels for series in panel)
    keys = [Line2D([], [], color=colours[name], linewidth=4, label=name) for name in weights]
    keys += [
        Line2D([], [], color=_PALE, linestyle=dashes, marker=marker, label=family)
        for family in families
        for dashes, marker in [_DASHES[family]]
    ]
    keys.append(
        Line2D([], [], color=_PALE, linewidth=1, label="safe from here on, for every input")
    )
    figure.legend(
        handles=keys, loc="upper left", ncols=4, columnspacing=1.6, fontsize=9.5,
        bbox_to_anchor=(0, 1 - 0.32 / height),
    )  # fmt: skip
    title = "Where overflow starts: results with a partial sum that left P bits"
    figure.text(0.012, 1 - 0.1 / height, title, size=12, weight="bold", va="top")
    figure.text(0.012, 0.08 / height, "\n".join(heading(swept)), size=8, color=_PALE)
    return figure


def _draw(axes: Any, panel: list[Series], colours: dict[str, str]) -> None:
    for series in reversed(panel):  # the first on top
        dashes, marker = _DASHES[series.family]
        colour = colours[series.weights]
        widths = [row.spec.acc_bits for row in series.rows]
        axes.plot(
            widths, [100 * row.share for row in series.rows], linestyle=dashes, marker=marker,
            color=colour, markersize=4.5, markeredgecolor="white", markeredgewidth=0.5,
            linewidth=1.8, clip_on=False, zorder=3,
        )  # fmt: skip
        if series.needed_bits in widths:
            axes.axvline(series.needed_bits, color=colour, linewidth=1)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, steps=(1, 2, 4, 10)))
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(decimals=0))
    axes.set_ylim(0, 100)

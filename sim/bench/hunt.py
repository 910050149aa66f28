"""How fast hypothesis searches on RTL, and how soon it finds bugs that were planted."""

from __future__ import annotations

from collections.abc import Iterator

from sim.bench.child import answer, scratch
from sim.bench.figures import Figure, at_least, below
from sim.bench.measure import Progress
from sim.cache import SimulationError
from sim.paths import ROOT, shown

HUNT = ROOT / "tests" / "hunt.py"
SEEDS = 8
SECONDS = 10  # over which examples are counted
VECTORS = 256  # that an example must hold at least


def hunt(rounds: int, progress: Progress) -> Iterator[Figure]:
    """Measure examples a second, and for each bug how many examples it took to find it."""
    seeds = min(rounds, SEEDS)
    progress(f"hypothesis: hunting bugs, {seeds} times each", 0, 1)
    if not HUNT.is_file():
        raise SimulationError(f"there is no {shown(HUNT)}")
    arguments = [str(HUNT), "--seeds", str(seeds), "--seconds", str(min(rounds, SECONDS))]
    with scratch() as cache:  # an empty one: builds are part of a hunt
        told = answer("hunt", arguments, {"A2Q_CACHE": str(cache)})
    try:
        if told["vectors_per_example"] < VECTORS:
            raise SimulationError(
                f"an example must hold {VECTORS} vectors, got {told['vectors_per_example']}"
            )
        if not told["bugs"]:
            raise SimulationError("the hunt had no bug to find")
        yield Figure("examples", float(told["examples_per_s"]), "examples/s", at_least(300))
        for bug in told["bugs"]:
            if len(bug["seconds"]) != seeds:
                raise SimulationError(f"{bug['name']} must be hunted {seeds} times")
            yield Figure(f"bug: {bug['name']}", float(bug["median"]), "examples", below(50))
        slowest = max(told["bugs"], key=lambda bug: max(bug["seconds"]))
        yield Figure(f"slowest hunt: {slowest['name']}", max(slowest["seconds"]), "s", below(60))
    except (KeyError, TypeError, ValueError) as error:
        raise SimulationError(f"the answer of the hunt can not be read: {error!r}") from None

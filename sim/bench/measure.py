"""Measurements side by side: the machine is shared, so only neighbours in time are compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sim.process import ending_children

Progress = Callable[[str, int, int], None]  # what goes on, how much of it is done, out of how much


@dataclass(frozen=True)
class Run:
    """Work (cycles, MACs) that was done, and the seconds that it took."""

    work: float
    seconds: float

    @property
    def rate(self) -> float:
        return self.work / self.seconds


Contestant = Callable[[], Run]


@dataclass(frozen=True)
class Rates:
    """The rates of each contestant, round by round, in the order in which they took turns."""

    by_name: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.by_name[name])

    def ratio(self, name: str, other: str) -> float:
        """Return the median over the rounds of the ratio of two neighbours."""
        order = list(self.by_name)
        assert abs(order.index(name) - order.index(other)) == 1, f"{name}, {other}: no neighbours"
        pairs = zip(self.by_name[name], self.by_name[other], strict=True)
        return statistics.median(mine / others for mine, others in pairs)


def in_turn(
    contestants: Mapping[str, Contestant], rounds: int, tick: Callable[[int], None]
) -> Rates:
    """Let all run in each round, every other round backwards: neighbours stay neighbours."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for done in range(rounds):
        tick(done)
        for name in order:
            rates[name].append(contestants[name]().rate)
        order.reverse()
    return Rates(rates)


def together(contestants: list[Contestant]) -> Run:
    """Run all at once, a thread for each: the sum of their work, in the time of the slowest."""
    with ThreadPoolExecutor(len(contestants)) as pool:
        try:
            runs = list(pool.map(lambda contestant: contestant(), contestants))
        except BaseException:
            with ending_children():
                pool.shutdown(cancel_futures=True)
            raise
    return Run(sum(run.work for run in runs), max(run.seconds for run in runs))

"""What can be told of a StreamCase that was played, and the bins of every unit that plays them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from sim.coverage import bins
from tb.streams import StreamCase


class Seen:
    """What can be told of a case of beats; each unit adds its own."""

    def __init__(
        self, case: StreamCase, cycles: int, at_reset: Mapping[str, int] | None = None
    ) -> None:
        self.case, self.cycles = case, cycles
        self.at_reset = at_reset  # beats of each stream that had moved when a reset cut in
        self.p = case.parameters
        self.streams = {**case.sources, **case.sinks}

    @cached_property
    def stalled(self) -> dict[str, int]:
        """In how many cycles a pattern stopped each stream."""
        stands = self.case.played_stalls(self.cycles)
        return {
            stream: int(stands[stream].sum()) if stream in stands else 0 for stream in self.streams
        }

    @property
    def at_full_speed(self) -> bool:
        """Nothing stood still, and it took no cycle more than it needs."""
        return self.case.is_calm and self.cycles == self.case.cycles


Bin = bins.Bin[Seen]


def of_streams(unit: str, *streams: str) -> list[Bin]:
    """Return the bins of every unit that plays cases of beats, which has these streams."""

    def alone(stream: str) -> Bin:
        def happens(seen: Seen) -> int:
            others = any(count for other, count in seen.stalled.items() if other != stream)
            return 0 if others else seen.stalled[stream]

        return Bin(unit, f"{_short(stream)} stream stalls, and no other", happens)

    def moved(name: str, condition: Callable[[Seen, Mapping[str, int]], bool]) -> Bin:
        return reset(unit, name, condition)

    several = [Bin(unit, "all streams stall", lambda s: min(s.stalled.values()))]
    return [
        *map(alone, streams),
        *(several if len(streams) > 1 else []),
        Bin(unit, "beats at full speed", lambda s: s.cycles * s.at_full_speed),
        moved("before the first beat of all", lambda s, m: not any(m.values())),
        moved("in the middle of all beats", lambda s, m: any(m.values()) and not _is_all(s, m)),
        moved("after the last beat of all", _is_all),
    ]


def reset(unit: str, name: str, condition: Callable[[Seen, Mapping[str, int]], bool]) -> Bin:
    """Return a bin of a reset that cuts in when so many beats of each stream have moved."""

    def happens(seen: Seen) -> bool:
        return seen.at_reset is not None and bool(condition(seen, seen.at_reset))

    return Bin(unit, f"reset {name}", happens)


def _is_all(seen: Seen, moved: Mapping[str, int]) -> bool:
    return all(moved[name] == len(beats) for name, beats in seen.streams.items())


def _short(stream: str) -> str:
    """Return what a stream is called in a bin.

    >>> _short("s_axis_input"), _short("s_axis"), _short("m_axis")
    ('input', 'input', 'output')
    """
    side, _, name = stream.partition("_axis")
    return name.removeprefix("_") or {"s": "input", "m": "output"}[side]

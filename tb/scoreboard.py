"""Scoreboard: holds what a unit sent against what the golden model makes of what it was sent.

No simulator in here. Beats go in as integers, in the order in which they crossed the streams; the
verdict comes out of ``close``, which refuses to pass anything that was not compared.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from golden import mvau
from golden.archive import whole_file
from golden.integer import BoolArray, Format, IntArray, narrow
from tb.case import Case
from tb.packing import rows_of_tiles, unpack, vector_of_beats

MAX_CARDS = 5
_BATCH = 64  # jobs computed in one call of the golden model


@dataclass(frozen=True, eq=False)
class Job:
    """PE dot products that leave in one output beat, as the unit was handed them."""

    index: int
    inputs: IntArray  # (MW,), or (PE*MW,) if depthwise
    weights: IntArray  # (PE, MW)


@dataclass(frozen=True)
class Mismatch:
    """One result that is wrong, with all that is needed to start looking."""

    index: int
    vector: int
    family: str
    row: int
    what: str
    expected: int
    actual: int
    first_overflow: int
    partials: list[int]  # golden accumulator after each beat

    def card(self, case: Case) -> str:
        """Return the mismatch card: one screen of plain text."""
        spec, bits = case.spec, case.spec.acc_bits
        fold, pe = divmod(self.row, spec.pe)

        def shown(value: int) -> str:
            if self.what != "result":
                return str(value)
            word = value & ((1 << bits) - 1)
            return f"{value:>{bits // 3 + 3}}  0x{word:0{-(-bits // 4)}x}  0b{word:0{bits}b}"

        overflow = f"in beat {self.first_overflow}" if self.first_overflow >= 0 else "none"
        return "\n".join(
            [
                f"MISMATCH  {self.what} of output row {self.row} (fold {fold}, PE {pe})",
                f"  case      {case.id}",
                f"  vector    {self.vector} ({self.family}), seed {case.seed}",
                f"  expected  {shown(self.expected)}",
                f"  actual    {shown(self.actual)}",
                f"  overflow  golden: {overflow}; the row's accumulator at P={bits}, beat by beat:",
                f"            {_abridged(self.partials)}",
            ]
        )


@dataclass(frozen=True)
class Tally:
    """What was compared for one stimulus family."""

    family: str
    vectors: int = 0
    results: int = 0
    partial_sums: int = 0
    mismatches: int = 0
    overflows_seen: int = 0
    overflows_predicted: int = 0
    transient_predicted: int = 0

    def plus(self, other: Tally) -> Tally:
        sums = {k: v + getattr(other, k) for k, v in asdict(self).items() if k != "family"}
        return replace(self, **sums)


class Scoreboard:
    """Compares in order; ``faults`` says in sentences what is wrong beyond single results."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.faults: list[str] = []
        self.mismatches: list[Mismatch] = []
        self.tallies = {s.family: Tally(s.family) for s in case.stimuli}
        vectors, mh = len(case.vectors), case.spec.mh
        self.out = np.zeros((vectors, mh), dtype=np.int64)
        self.overflow = np.zeros((vectors, mh), dtype=bool)
        self._families = case.families
        self._jobs: list[Job] = []
        self._beats: list[tuple[int, int, int | None]] = []  # data, user, last
        self._compared = 0
        self._unlisted = 0  # mismatches beyond those that have cards

    @property
    def expected_beats(self) -> int:
        return len(self._families) * self.case.spec.nf

    @property
    def observed_beats(self) -> int:
        return self._compared + len(self._beats)

    @property
    def has_failed(self) -> bool:
        return bool(self.faults) or len(self.mismatches) >= MAX_CARDS

    def expect(self, inputs: list[int], weights: list[int]) -> None:
        """Take the SF input and SF weight beats that crossed the streams for one output beat."""
        spec = self.case.spec
        index = self._compared + len(self._jobs)
        vector = vector_of_beats(spec, inputs, self.case.depthwise)
        self._jobs.append(Job(index, vector, rows_of_tiles(spec, weights)))

    def observe(self, data: int, user: int, last: int | None) -> None:
        """Take one output beat; ``last`` is None where the unit has no tlast."""
        if len(self._jobs) <= len(self._beats):
            self.faults.append(
                f"output beat {self.observed_beats} came before the operands that it is made of"
            )
            return
        self._beats.append((data, user, last))
        if len(self._beats) >= _BATCH:
            self.compare()

    def compare_all(self, answer: mvau.Outcome) -> None:
        """Compare the results of the whole case at once, in place of beats."""
        spec, vectors, depthwise = self.case.spec, self.case.vectors, self.case.depthwise
        golden = mvau.outcome(spec, self.case.weights, vectors, depthwise)
        predicted = golden.overflow & spec.observe
        exact = mvau.matvec(self.case.weights, vectors, depthwise)
        fits = narrow(exact, spec.acc_bits, spec.overflow) == exact
        self.out, self.overflow = answer.out, answer.overflow
        self._compared = self.expected_beats

        seen = self._shown(answer.overflow, answer.out, exact)
        due = self._shown(predicted, golden.out, exact)

        wrong = (answer.out != golden.out) | (answer.overflow != predicted)
        self._unlisted = max(0, int(wrong.sum()) - MAX_CARDS)
        for vector, row in np.argwhere(wrong)[:MAX_CARDS]:
            fold, pe = divmod(int(row), spec.pe)
            weights = self.case.weights[fold * spec.pe : (fold + 1) * spec.pe]
            inputs = vectors[vector]
            if depthwise:
                inputs = inputs.reshape(spec.nf, -1)[fold]
            job = Job(int(vector) * spec.nf + fold, inputs, weights)
            trace = mvau.run(replace(spec, mh=spec.pe), weights, inputs[None], depthwise)
            results = int(golden.out[vector, row]), int(answer.out[vector, row])
            flags = int(predicted[vector, row]), int(answer.overflow[vector, row])
            what, (expected, actual) = (
                ("result", results) if results[0] != results[1] else ("overflow bit", flags)
            )
            self._record(job, fold, pe, what, expected, actual, trace, 0)

        families = np.array(self._families)
        for family in self.tallies:
            mine = families == family
            self.tallies[family] = Tally(
                family,
                vectors=int(mine.sum()),
                results=golden.out[mine].size,
                partial_sums=golden.out[mine].size * spec.sf * 2 * spec.simd,
                mismatches=int(wrong[mine].sum()),
                overflows_seen=int(seen[mine].sum()),
                overflows_predicted=int(due[mine].sum()),
                transient_predicted=int((golden.overflow & fits)[mine].sum()),
            )

    def _shown(self, flags: BoolArray, out: IntArray, exact: IntArray) -> BoolArray:
        """Return which results show an overflow: by their bits or, without, by not being exact."""
        return flags if self.case.spec.observe else out != exact

    def compare(self) -> None:
        """Compare all output beats that have come so far."""
        ready = self._jobs[: len(self._beats)]
        self._jobs = self._jobs[len(ready) :]
        beats, self._beats = self._beats, []
        same_weights = defaultdict(list)
        for job, beat in zip(ready, beats, strict=True):
            same_weights[job.weights.tobytes()].append((job, beat))
        for group in same_weights.values():
            self._compare_group(group)
        self._compared += len(ready)
        self.mismatches.sort(key=lambda m: (m.index, m.row))

    def _compare_group(self, group: list[tuple[Job, tuple[int, int, int | None]]]) -> None:
        spec = self.case.spec
        jobs = [job for job, _ in group]
        fold_spec = replace(spec, mh=spec.pe)
        inputs = np.stack([job.inputs for job in jobs])
        trace = mvau.run(fold_spec, jobs[0].weights, inputs, self.case.depthwise)
        for i, (job, (data, user, last)) in enumerate(group):
            vector, fold = divmod(job.index, spec.nf)
            if vector >= len(self._families):
                self.faults.append(f"output beat {job.index} is one more than the case has results")
                continue
            out = np.array(unpack(data, spec.pe, spec.acc))
            overflow = np.array(unpack(user, spec.pe, Format(1, signed=False)), dtype=bool)
            predicted, exact = trace.overflow[i] & spec.observe, trace.exact[i]
            rows = slice(fold * spec.pe, (fold + 1) * spec.pe)
            self.out[vector, rows], self.overflow[vector, rows] = out, overflow

            wrong_out, wrong_flag = out != trace.out[i], overflow != predicted
            checks = (
                ("result", wrong_out, trace.out[i], out),
                ("overflow bit", wrong_flag, predicted, overflow),
            )
            for what, wrong, expected, actual in checks:
                for pe in np.flatnonzero(wrong):
                    self._record(job, fold, int(pe), what, expected[pe], actual[pe], trace, i)
            final = int(fold == spec.nf - 1)
            if last is not None and last != final:
                self.faults.append(f"tlast of output beat {job.index} must be {final}, got {last}")
            family = self._families[vector]
            self.tallies[family] = self.tallies[family].plus(
                Tally(
                    family,
                    vectors=final,
                    results=spec.pe,
                    partial_sums=trace.partials[i].size,
                    mismatches=int((wrong_out | wrong_flag).sum()),
                    overflows_seen=int(self._shown(overflow, out, exact).sum()),
                    overflows_predicted=int(self._shown(predicted, trace.out[i], exact).sum()),
                    transient_predicted=int(trace.transient[i].sum()),
                )
            )

    def _record(
        self, job: Job, fold: int, pe: int, what: str, expected: Any, actual: Any,
        trace: mvau.Trace, i: int,
    ) -> None:  # fmt: skip
        vector = job.index // self.case.spec.nf
        mismatch = Mismatch(
            index=job.index,
            vector=vector,
            family=self._families[vector],
            row=fold * self.case.spec.pe + pe,
            what=what,
            expected=int(expected),
            actual=int(actual),
            first_overflow=int(trace.first_overflow[i, pe]),
            partials=trace.partials[i, pe, :, -1].tolist(),
        )
        self.mismatches.append(mismatch)

    def close(self) -> None:
        """Compare what is left and refuse an end that is early, late or empty."""
        self.compare()
        if self._compared == 0:
            self.faults.append("nothing was compared")
        if self._jobs:
            self.faults.append(f"{len(self._jobs)} output beats are missing at the end")
        if self._compared < self.expected_beats:
            self.faults.append(
                f"only {self._compared} of {self.expected_beats} output beats were compared"
            )

    @property
    def report(self) -> str:
        """Everything that is wrong, as text; empty if nothing is."""
        cards = [mismatch.card(self.case) for mismatch in self.mismatches[:MAX_CARDS]]
        more = len(self.mismatches) - len(cards) + self._unlisted
        if more > 0:
            cards.append(f"... and {more} more mismatches")
        return "\n\n".join(cards + self.faults)

    def write(self, path: Path, cycles: int) -> None:
        """Leave the outcome for the process that started the simulation."""
        self.compare()
        data = {
            "case": self.case.id,
            "cycles": cycles,
            "report": self.report,
            "tallies": [asdict(tally) for tally in self.tallies.values()],
            "out": self.out.tolist(),
            "overflow": self.overflow.astype(int).tolist(),
        }
        with whole_file(path) as partial:
            partial.write_text(json.dumps(data), encoding="utf-8")


def _abridged(values: list[int], ends: int = 6) -> str:
    texts = [str(value) for value in values]
    if len(texts) > 2 * ends:
        texts = [*texts[:ends], "...", *texts[-ends:]]
    return " ".join(texts)

"""Plays the hostile cases, in a process of its own, which foreign RTL may bring to its end.

Run by ``sim.dut.hostile`` as a program. The case that is being played lies in the folder, so that
whoever waits can tell which one the process died of.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

from golden.spec import MvauSpec
from sim import batch
from sim.dut import hostile
from sim.dut.dut import Dut
from sim.run import Played


def main() -> None:
    """Play all cases of all specs; then make those few small that are told of."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder / hostile.ASKED).read_text(encoding="utf-8"))
    dut = Dut.load(Path(asked["dut"]))

    def limit_cpu() -> None:
        """Of processor time, which a busy machine does not use up; the signal ends the process."""
        signal.setitimer(signal.ITIMER_PROF, asked["most_cpu_s"])

    cases = results = failing = 0
    told: list[Played] = []
    for spec in map(MvauSpec.from_json, asked["specs"]):
        model = batch.load(spec, dut.unit, dut)
        failed = []
        for case in hostile.cases(dut, spec, asked["seed"]):
            case.save(folder / hostile.CASE)
            limit_cpu()
            played = batch.judge(model, case)
            failed += [] if played.passed else [played]
            cases += 1
            results += sum(tally.results for tally in played.tallies)
        failing += len(failed)
        told += [batch.kept(replace(each, rtl=dut)) for each in failed[:1]]
    told = told[: hostile.MOST_TOLD]

    def answer() -> None:
        failed = [(str(each.folder), each.report) for each in told]
        met = {"cases": cases, "results": results, "failing": failing, "failed": failed}
        partial = folder / "partial.json"
        partial.write_text(json.dumps(met), encoding="utf-8")
        partial.rename(folder / hostile.MET)

    answer()
    for number, each in enumerate(told):
        limit_cpu()
        told[number] = batch.play(batch.smallest(each.case, dut), dut)
        answer()


if __name__ == "__main__":
    main()

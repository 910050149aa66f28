"""A claim about the RTL, and what came of it: proved, refuted by a trace, or neither.

A claim is proved if and only if

- every cover of its property module is reached, so that nothing is assumed away;
- its assertions hold in the first cycles after a reset, from any power-on state;
- they hold after as many cycles in which they held, so for ever (k-induction); or, without a clock,
  for all values.

Whatever else happens is "not proved", and why: a question that a solver does not answer, a cover
that is not reached, RTL that does not fit the property. "Refuted" comes with a trace.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from formal import solver
from formal.design import Design, DesignError
from formal.solver import SOLVERS, Answer, Said
from sim.cache import kept
from sim.paths import BUILD, ROOT, RTL
from sim.yosys import yosys

LIMIT_S = 60.0  # of one question to one solver
_HERE = Path(__file__).resolve().parent
# What a result hangs on beside its claim.
_ENGINE = tuple(_HERE / name for name in ("design.py", "solver.py", "claim.py", "solvers/bitwuzla"))
_ENGINE += tuple(ROOT / "sim" / name for name in ("yosys.py", "rtl.py", "process.py", "cache.py"))


class Status(StrEnum):
    """What came of a claim."""

    PROVED = "proved"
    REFUTED = "refuted"
    NOT_PROVED = "not proved"


@dataclass(frozen=True, eq=False)
class Claim:
    """Something to prove: a property module around RTL, and in words what it says."""

    name: str
    says: str
    design: Design
    assumes: tuple[str, ...] = ()  # in words; a promise by the name of its module
    guarantees: tuple[str, ...] = ()  # promises that other claims may assume
    cycles: int | None = 1  # of the induction; None: there is no clock
    depth: int = 10  # cycles in which covers must be reached, and a counterexample is looked for

    @property
    def slug(self) -> str:
        """The name as files take it."""
        return re.sub(r"\W+", "-", self.name, flags=re.ASCII).strip("-").lower()


@dataclass(frozen=True)
class Evidence:
    """What came of a claim, with what it rests on; of what is proved, ``why`` is empty."""

    claim: str
    property: str  # the module, without its "prove_"
    says: str
    assumes: tuple[str, ...]
    status: Status
    why: str
    seconds: float  # of Yosys and solvers, when it was made
    tools: tuple[str, ...]
    by: str  # the solver that decided it
    covers: int
    assertions: int
    places: tuple[str, ...] = ()  # file:line of what is refuted
    trace: str = ""  # a file of waves
    folder: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class _NotKept(Exception):
    """Carries an answer that is not kept: asked again, it may be another."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence.why)
        self.evidence = evidence


def prove(
    claim: Claim,
    rtl: Path = RTL,
    solvers: Sequence[str] = SOLVERS,
    limit_s: float = LIMIT_S,
    fresh: bool = False,
) -> Evidence:
    """Return what comes of a claim; what was proved or refuted before, of the same, is believed.

    Each question goes to the solvers in turn, until one has an answer. ``fresh`` believes nothing
    and keeps nothing. Errors: ToolError if Yosys or a solver is missing.
    """
    tools = (yosys().version, *(solver.require(name) for name in solvers))
    work = _Work(claim, rtl, tuple(solvers), tools, limit_s)
    try:
        claim.design.files(rtl)
    except DesignError as error:
        return work.unfit(str(error))
    if fresh:
        return work.made_afresh()
    try:
        # Others may be waited for before it is made: then too it must be of this very content.
        content = work.content()
        folder = kept(f"proof-{claim.design.top}", content, lambda new: work.make(new, content))
    except _NotKept as answer:
        return answer.evidence
    try:
        data = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
        Evidence(**data)
    except (ValueError, TypeError):  # it was damaged; what is made now is whole
        shutil.rmtree(folder)
        return prove(claim, rtl, solvers, limit_s)
    lists = {name: tuple(data[name]) for name in ("assumes", "tools", "places")}
    trace = str(folder / data["trace"]) if data["trace"] else ""
    words = {"claim": claim.name, "says": claim.says, "assumes": claim.assumes}
    own = {"status": Status(data["status"]), "trace": trace, "folder": str(folder)}
    return Evidence(**{**data, **lists, **own, **words})


@dataclass(frozen=True)
class _Work:
    claim: Claim
    rtl: Path
    solvers: tuple[str, ...]
    tools: tuple[str, ...]
    limit_s: float

    def unfit(self, why: str) -> Evidence:
        """Return the answer where the RTL does not fit the property."""
        return self._evidence(Status.NOT_PROVED, why, time.monotonic())

    def content(self) -> dict[str, Any]:
        """Return all that the answer depends on."""
        files = self.claim.design.files(self.rtl)
        engine = {f"{path.parent.name}/{path.name}": path for path in _ENGINE}
        return {
            "files": {name: _sha256(path) for name, path in sorted({**files, **engine}.items())},
            "design": asdict(self.claim.design),
            "cycles": [self.claim.cycles, self.claim.depth],
            "tools": self.tools,
        }

    def made_afresh(self) -> Evidence:
        """Return the answer; what it took is thrown away."""
        scratch = BUILD / "proofs"
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            try:
                self.make(Path(folder), self.content())
            except _NotKept as answer:
                return answer.evidence
            data = json.loads((Path(folder) / "evidence.json").read_text(encoding="utf-8"))
        return Evidence(**{**data, "status": Status(data["status"]), "trace": ""})

    def make(self, folder: Path, content: dict[str, Any]) -> None:
        """Find the answer and leave it in ``folder``. Errors: _NotKept if there is none."""
        started = time.monotonic()
        try:
            model = self.claim.design.write(folder, self.rtl)
        except DesignError as error:
            raise _NotKept(self._evidence(Status.NOT_PROVED, str(error), started)) from None
        if self.content() != content:
            why = "files were edited while it was proved"
            raise _NotKept(self._evidence(Status.NOT_PROVED, why, started))
        text = model.read_text(encoding="utf-8")
        counts = {
            what: len(re.findall(rf"^; yosys-smt2-{what} ", text, re.MULTILINE))
            for what in ("assert", "cover")
        }
        status, why, said, trace = self._answer(model, counts)
        evidence = self._evidence(status, why, started, counts, said, trace)
        if status == Status.NOT_PROVED:
            raise _NotKept(evidence)
        for item in folder.iterdir():
            if item.name not in (trace, trace.replace(".vcd", ".yw"), "model.smt2"):
                item.unlink()
        (folder / "evidence.json").write_text(json.dumps(evidence.to_json()), encoding="utf-8")

    def _answer(self, model: Path, counts: dict[str, int]) -> tuple[Status, str, Said, str]:
        none = Said(Answer.UNKNOWN, 0)
        if self.claim.cycles is None and "; yosys-smt2-register" in model.read_text("utf-8"):
            return Status.NOT_PROVED, "there is state, which the claim knows nothing of", none, ""
        for what, count in counts.items():
            if count == 0:
                return Status.NOT_PROVED, f"there is no {what} in the property", none, ""
        cycles, depth = self.claim.cycles, self.claim.depth
        base = self._ask(solver.always, model, cycles or 1)
        if base.answer == Answer.NO:
            return Status.REFUTED, self._wrong(base), base, "always.vcd"
        covers = self._ask(solver.reachable, model, depth if cycles else 1)
        if covers.answer == Answer.NO:
            if cycles and (deep := self._ask(solver.always, model, depth)).answer == Answer.NO:
                return Status.REFUTED, self._wrong(deep), deep, "always.vcd"
            why = f"vacuous: the cover at {', '.join(covers.places)} is not reached"
            return Status.NOT_PROVED, why, covers, ""
        step = self._ask(solver.inductive, model, cycles) if cycles else base
        if step.answer == Answer.NO:
            deep = self._ask(solver.always, model, depth)
            if deep.answer == Answer.NO:
                return Status.REFUTED, self._wrong(deep), deep, "always.vcd"
            why = f"{', '.join(step.places)} does not follow from the cycle before"
            return Status.NOT_PROVED, why, step, ""
        for said in (base, covers, step):
            if said.answer != Answer.YES:
                return Status.NOT_PROVED, said.why, said, ""
        return Status.PROVED, "", step, ""

    def _ask(self, question: Callable[..., Said], model: Path, cycles: int) -> Said:
        whys = []
        for name in self.solvers:
            said = question(model, cycles, name, self.limit_s)
            if said.answer != Answer.UNKNOWN:
                return said
            whys.append(said.why)
        return Said(Answer.UNKNOWN, 0, why="; ".join(whys))

    def _wrong(self, said: Said) -> str:
        """Return the assertions that are wrong, in the words of their files."""
        files = self.claim.design.files(self.rtl)
        found = []
        for place in said.places:
            name, _, line = place.partition(".v:")
            text = files[name].read_text(encoding="utf-8").splitlines()[int(line) - 1 :]
            statement = " ".join(" ".join(text).partition(";")[0].split())
            found.append(f"formal/properties/{place}: {statement}")
        when = f", in cycle {said.cycle} (reset is in 0)" if self.claim.cycles else ""
        return "; ".join(found) + when

    def _evidence(
        self, status: Status, why: str, started: float, counts: dict[str, int] | None = None,
        said: Said | None = None, trace: str = "",
    ) -> Evidence:  # fmt: skip
        claim, counts, said = self.claim, counts or {}, said or Said(Answer.UNKNOWN, 0)
        return Evidence(
            claim.name, claim.design.top.removeprefix("prove_"), claim.says, claim.assumes,
            status, why, time.monotonic() - started,
            self.tools, said.by, counts.get("cover", 0), counts.get("assert", 0), said.places,
            trace,
        )  # fmt: skip


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Whether an output of a netlist of gates can ever be high: the inputs that do it, or a proof.

z3 looks at all runs of a few cycles first. Then it finds by induction which registers are always
alike after the first cycle, of those that may be, and how far counters go. What that does not
settle goes to Spacer, with one register in place of all that are alike: it proves that the output
can not be high, however long one waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import z3

from sim.mutants.gates import Netlist, NotProved, Trace

_DEPTH = 8  # cycles that are searched before a proof is tried
_DEEPEST = 64  # and after Spacer knows that there is a way


@dataclass(frozen=True)
class _Fact:
    """Two bits are the same; or, not ``both``, never high at once."""

    bit: int
    other: int
    both: bool = True

    def of(self, values: Mapping[int, Any]) -> Any:
        bit, other = values[self.bit], values[self.other]
        return bit == other if self.both else z3.Not(z3.And(bit, other))


class Search:
    """Looks for a way to make an output of one bit high. Errors: NotProved, if only for time."""

    def __init__(
        self, netlist: Netlist, goal: str, limit_s: float, pairs: Iterable[tuple[int, int]] = ()
    ) -> None:
        """Of ``pairs`` of registers the second starts like the first, which may start anyhow."""
        self._netlist = netlist
        self._twin: dict[int, int] = {}  # of the second of a pair
        for first, second in pairs:
            if (
                {first, second} <= netlist.registers.keys()
                and first not in {*netlist.starts, *self._twin.values()}
                and second not in self._twin
            ):
                self._twin[second] = first
        (self._goal,) = netlist.ports[goal]
        self._deadline = time.monotonic() + limit_s

    def trace(self) -> Trace | None:
        """Return a shortest way from power-on; None if it is proved that there is none."""
        if not self._netlist.registers:
            return self._bounded(1)
        found = self._bounded(_DEPTH)
        if found is None and not self._unreachable(self._invariants()):
            found = self._bounded(_DEEPEST)
            if found is None:
                raise NotProved(f"it differs, but in none of the first {_DEEPEST} cycles")
        return found

    def _bounded(self, depth: int) -> Trace | None:
        """Look at all runs of so many cycles from power-on."""
        solver = z3.SolverFor("QF_FD")
        state = self._power_on()
        solver.add(*self._start(state))
        cycles: list[dict[int, Any]] = []
        for cycle in range(depth):
            free = {bit: z3.Bool(f"{bit}@{cycle}") for bit in self._netlist.free}
            values = {0: z3.BoolVal(False), 1: z3.BoolVal(True), **state, **free}
            for bit, of in self._netlist.gates:
                values[bit] = z3.Bool(f"{bit}@{cycle}")
                solver.add(values[bit] == _gate(values, of))
            cycles.append(values)
            solver.set("timeout", self._left_ms())
            answer = solver.check(values[self._goal])
            if answer == z3.sat:
                return [self._seen(solver.model(), values) for values in cycles]
            if answer != z3.unsat:
                raise NotProved(f"z3 found no answer for cycle {cycle}: {solver.reason_unknown()}")
            state = {bit: values[next_] for bit, next_ in self._netlist.registers.items()}
        return None

    def _invariants(self) -> set[_Fact]:
        """Return what is true of registers in all cycles but the first.

        Candidates are that twins are alike, that a register never changes, and that two of one word
        are never both high, which bounds a counter. What is left of them holds after the first
        cycle, and if all of it holds it does after the next one too.
        """
        registers = self._netlist.registers
        facts = {_Fact(bit, other) for bit, other in self._twin.items()}
        facts |= {_Fact(bit, constant) for bit in registers for constant in (0, 1)}
        words = ([bit for bit in bits if bit in registers] for bits in self._netlist.names.values())
        facts |= {_Fact(*two, both=False) for word in words for two in combinations(word, 2)}
        for first in (True, False):
            state = self._power_on() if first else {bit: z3.Bool(f"q{bit}") for bit in registers}
            values, clauses = self._cycle(state)
            after = {bit: values[registers.get(bit, bit)] for bit in (0, 1, *registers)}
            solver = z3.SolverFor("QF_FD")
            solver.add(*clauses, *(self._start(state) if first else ()))
            while facts:
                solver.push()
                if not first:
                    solver.add(*(fact.of(values) for fact in facts))
                solver.add(z3.Not(z3.And(*(fact.of(after) for fact in facts))))
                solver.set("timeout", self._left_ms())
                answer = solver.check()
                if answer == z3.unsat:
                    break
                if answer != z3.sat:
                    raise NotProved(f"z3 found no answer: {solver.reason_unknown()}")
                model = solver.model()
                seen = {bit: model.eval(after[bit], model_completion=True) for bit in after}
                facts = {fact for fact in facts if z3.is_true(z3.simplify(fact.of(seen)))}
                solver.pop()
        return facts

    def _unreachable(self, facts: Iterable[_Fact]) -> bool:
        """Whether the goal is proved to be low in all cycles but the first, of which this holds."""
        alike: dict[int, int] = {}
        for fact in sorted(facts, key=lambda fact: fact.other):  # constants first
            if fact.both:
                alike.setdefault(fact.bit, fact.other)
        engine = z3.Fixedpoint()
        engine.set(engine="spacer", timeout=self._left_ms())
        netlist = self._netlist
        start = self._power_on()
        kept = [bit for bit in netlist.registers if bit not in alike]
        state = {bit: z3.Bool(f"q{bit}") for bit in kept}
        whole = state | {0: z3.BoolVal(False), 1: z3.BoolVal(True)}
        for bit in alike:
            other = bit
            while other in alike:
                other = alike[other]
            whole[bit] = whole[other]
        free = {bit: z3.Bool(f"i{bit}") for bit in netlist.free}
        values = self._evaluated({**whole, **free})
        firsts = self._evaluated({**start, **free, 0: whole[0], 1: whole[1]})
        if z3.is_false(values[self._goal]):
            return True
        reached = z3.Function("reached", *[z3.BoolSort()] * (len(kept) + 1))
        found = z3.Function("found", z3.BoolSort())
        engine.register_relation(reached, found)
        engine.declare_var(*start.values(), *state.values(), *free.values())
        here = reached(*state.values())
        engine.rule(reached(*(firsts[netlist.registers[bit]] for bit in kept)), self._start(start))
        bounds = [fact.of(whole) for fact in facts if not fact.both]
        there = reached(*(values[netlist.registers[bit]] for bit in kept))
        engine.rule(there, [here, *bounds])
        engine.rule(found(), [here, *bounds, values[self._goal]])
        try:
            answer = engine.query(found())
        except z3.Z3Exception as reason:  # at times what z3 does when the time is up
            raise NotProved(f"Spacer found no answer: {reason}") from None
        if answer == z3.unknown:
            raise NotProved(f"Spacer found no answer: {engine.reason_unknown()}")
        return bool(answer == z3.unsat)

    def _cycle(self, state: Mapping[int, Any]) -> tuple[dict[int, Any], list[Any]]:
        """Return the values of all bits in a cycle, and what says how they hang together."""
        free = {bit: z3.Bool(f"i{bit}") for bit in self._netlist.free}
        values = {0: z3.BoolVal(False), 1: z3.BoolVal(True), **state, **free}
        clauses = []
        for bit, of in self._netlist.gates:
            values[bit] = z3.Bool(f"g{bit}")
            clauses.append(values[bit] == _gate(values, of))
        return values, clauses

    def _evaluated(self, values: dict[int, Any]) -> dict[int, Any]:
        """Return the values of all bits as expressions of those that are given.

        What has the same inputs is the same expression, so that twins fall into one.
        """
        known: dict[frozenset[int], Any] = {}
        for bit, of in self._netlist.gates:
            inputs = [values[each] for each in of]
            ids = frozenset(each.get_id() for each in inputs)
            if len(inputs) == 1:
                values[bit] = _inverse(inputs[0])
            elif any(map(z3.is_false, inputs)) or _inverse(inputs[0]).eq(inputs[1]):
                values[bit] = z3.BoolVal(False)
            elif z3.is_true(inputs[0]) or len(ids) == 1:
                values[bit] = inputs[1]
            elif z3.is_true(inputs[1]):
                values[bit] = inputs[0]
            else:
                values[bit] = known.setdefault(ids, z3.And(*inputs))
        return values

    def _left_ms(self) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NotProved("z3 came to no end in its time")
        return 1 + int(1000 * left)

    def _power_on(self) -> dict[int, Any]:
        """Return the registers' values at power-on, which are any, but the same for twins."""
        return {
            bit: z3.Bool(f"{self._twin.get(bit, bit)}@start") for bit in self._netlist.registers
        }

    def _start(self, state: Mapping[int, Any]) -> list[Any]:
        """Return what holds at power-on."""
        starts = self._netlist.starts
        return [state[bit] == z3.BoolVal(starts[bit]) for bit in state if bit in starts]

    def _seen(self, model: Any, values: Mapping[int, Any]) -> dict[str, int]:
        def value(bit: int) -> bool:
            return bool(z3.is_true(model.eval(values[bit], model_completion=True)))

        return {
            name: sum(value(bit) << place for place, bit in enumerate(bits))
            for name, bits in self._netlist.ports.items()
        }


def _gate(values: Mapping[int, Any], of: tuple[int, ...]) -> Any:
    return z3.And(*(values[bit] for bit in of)) if len(of) == 2 else z3.Not(values[of[0]])


def _inverse(value: Any) -> Any:
    if z3.is_true(value) or z3.is_false(value):
        return z3.BoolVal(z3.is_false(value))
    return value.arg(0) if z3.is_not(value) else z3.Not(value)

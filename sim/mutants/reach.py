"""Whether an output of a netlist of gates can ever be high: the inputs that do it, or a proof.

z3 looks at all runs of a few cycles first. What is not found there goes to Spacer, which proves
that it can not be, however long one waits.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import z3

from sim.mutants.gates import Netlist, NotProved, Trace

_DEPTH = 8  # cycles that are searched before a proof is tried
_DEEPEST = 64  # and after Spacer knows that there is a way


class Search:
    """Looks for a way to make an output of one bit high. Errors: NotProved, if only for time."""

    def __init__(self, netlist: Netlist, goal: str, limit_s: float) -> None:
        self._netlist = netlist
        (self._goal,) = netlist.ports[goal]
        self._deadline = time.monotonic() + limit_s

    def trace(self) -> Trace | None:
        """Return a shortest way from power-on; None if it is proved that there is none."""
        if not self._netlist.registers:
            return self._bounded(1)
        found = self._bounded(_DEPTH)
        if found is None and not self._unreachable():
            found = self._bounded(_DEEPEST)
            if found is None:
                raise NotProved(f"it differs, but in none of the first {_DEEPEST} cycles")
        return found

    def _bounded(self, depth: int) -> Trace | None:
        """Look at all runs of so many cycles from power-on."""
        solver = z3.SolverFor("QF_FD")
        state = {bit: z3.Bool(f"{bit}@start") for bit in self._netlist.registers}
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

    def _unreachable(self) -> bool:
        """Whether the goal is proved to be low in all cycles of all runs."""
        engine = z3.Fixedpoint()
        engine.set(engine="spacer", timeout=self._left_ms())
        registers = list(self._netlist.registers)
        state = {bit: z3.Bool(f"q{bit}") for bit in registers}
        free = {bit: z3.Bool(f"i{bit}") for bit in self._netlist.free}
        values = {0: z3.BoolVal(False), 1: z3.BoolVal(True), **state, **free}
        for bit, of in self._netlist.gates:
            values[bit] = _gate(values, of)
        reached = z3.Function("reached", *[z3.BoolSort()] * (len(registers) + 1))
        found = z3.Function("found", z3.BoolSort())
        engine.register_relation(reached, found)
        engine.declare_var(*state.values(), *free.values())
        here = reached(*state.values())
        there = reached(*(values[self._netlist.registers[bit]] for bit in registers))
        engine.rule(here, self._start(state))
        engine.rule(there, [here])
        engine.rule(found(), [here, values[self._goal]])
        try:
            answer = engine.query(found())
        except z3.Z3Exception as reason:  # at times what z3 does when the time is up
            raise NotProved(f"Spacer found no answer: {reason}") from None
        if answer == z3.unknown:
            raise NotProved(f"Spacer found no answer: {engine.reason_unknown()}")
        return bool(answer == z3.unsat)

    def _left_ms(self) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise NotProved("z3 came to no end in its time")
        return 1 + int(1000 * left)

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

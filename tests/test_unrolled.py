"""The unrolled unit: what its text is made of, and that it plays every case as golden says."""

from __future__ import annotations

import json
import re
import shutil
import types
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyverilog.vparser import ast
from rtl_suite import SATURATE, WRAP, simulators

from golden import bounds, mvau
from golden.integer import Format, InputError, IntArray, bits_for
from golden.layer import QuantLayer
from golden.spec import MvauSpec
from sim import batch, cli
from sim.cache import SimulationError
from sim.generate import unrolled as generator
from sim.generate.sources import verilog_of
from sim.generate.unrolled import unrolled
from sim.generate.verilog import VerilogError, read
from sim.lint import lint_unit
from sim.paths import LAYERS, RTL
from sim.run import play_all
from sim.tools import simulator
from tb.case import UNROLLED, Case
from tb.stimulus import adverse_case, adverse_layer, corners, mixed_signs, uniform, worst_case

STALLS = {"input": "every-3", "output": "bursts-1-4"}


def spec_of(mw: int, mh: int, m: int, n: int, p: int, **others: Any) -> MvauSpec:
    return MvauSpec(mw=mw, mh=mh, pe=mh, simd=mw, weight_bits=m, input_bits=n, acc_bits=p, **others)


SPECS = {
    "one lane": spec_of(1, 10, 4, 4, 6),
    "narrowest": spec_of(2, 3, 1, 1, 2, overflow=SATURATE),
    "narrowest, signed": spec_of(3, 4, 1, 1, 2, signed_input=True),
    "inputs of one bit": spec_of(5, 10, 4, 1, 5, signed_input=True, overflow=SATURATE),
    "P far under a product": spec_of(3, 10, 8, 8, 4),
    "P far under a signed product": spec_of(6, 10, 8, 8, 5, signed_input=True, overflow=SATURATE),
    "P under an input, blind": spec_of(5, 10, 3, 8, 6, observe=False),
    "odd tree": spec_of(7, 10, 4, 4, 8),
    "odd tree, signed, saturating": spec_of(11, 10, 4, 4, 8, signed_input=True, overflow=SATURATE),
    "odd tree, saturating, blind": spec_of(13, 10, 4, 3, 8, overflow=SATURATE, observe=False),
    "wide": spec_of(33, 10, 4, 4, 10, signed_input=True),
    "shipped shape": spec_of(64, 10, 8, 8, 16, overflow=SATURATE),
    "ample": spec_of(9, 10, 4, 4, 20),
    "bipolar inputs": spec_of(7, 10, 4, 1, 5, signed_input=True, bipolar_input=True),
    "bipolar inputs, saturating": spec_of(
        3, 10, 3, 1, 2, signed_input=True, bipolar_input=True, overflow=SATURATE
    ),
    "widest": spec_of(4, 10, 16, 16, 64, signed_input=True),
}
# Of which no weight is zero.
BIPOLAR = {
    "bipolar weights": spec_of(5, 10, 1, 3, 5, bipolar_weight=True),
    "bipolar": spec_of(9, 10, 1, 1, 3, signed_input=True, bipolar_weight=True, bipolar_input=True),
}


def nodes(weights: IntArray) -> Iterator[tuple[str, IntArray]]:
    """Yield the name and the weights (MW,) below each product and sum of one row.

    Told from the order alone: a node of level l is over 2^l neighbours, and is one where both of
    its halves have weights.
    """
    lanes = np.arange(len(weights))
    for lane in np.flatnonzero(weights):
        yield f"_{lane}", np.where(lanes == lane, weights, 0)
    for level in range(1, (len(weights) - 1).bit_length() + 1):
        for place in range(0, -(-len(weights) // 2**level)):
            below = np.where(lanes >> level == place, weights, 0)
            halves = [below[lanes >> (level - 1) == 2 * place + half] for half in (0, 1)]
            if all(half.any() for half in halves):
                yield f"_{level}_{place}", below


def everything(module: Any) -> Iterator[Any]:
    """Yield all nodes of a syntax tree."""
    left = [module]
    while left:
        yield (node := left.pop())
        left += node.children()


def sparse(spec: MvauSpec, share: float, seed: int = 1) -> IntArray:
    rng = np.random.default_rng(seed)
    weights, _ = adverse_layer(spec, rng)
    weights = np.where(rng.random(weights.shape) < share, weights, 0)
    weights[0] = 0
    return weights


def against(weights: IntArray, spec: MvauSpec, **others: Any) -> Case:
    """Return a case of all families that are made from weights."""
    inputs, rng = spec.inputs, np.random.default_rng(1)
    stimuli = [make(weights, inputs) for make in (worst_case, mixed_signs, corners)]
    stimuli.append(uniform(weights, inputs, 32, rng))
    return Case(UNROLLED, spec, "sparse", weights, tuple(stimuli), **others)


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("name", SPECS)
def test_structure_is_that_of_the_weights(name: str, share: float) -> None:
    """A multiplication for each nonzero weight, a width and an observer for each node's range."""
    spec = SPECS[name]
    weights = sparse(spec, share)
    unit = unrolled(weights, spec)
    (module,) = read(unit.text)
    widths = {
        net.name: int(net.width.msb.value) + 1 if net.width else 1
        for item in module.items
        if isinstance(item, ast.Decl)
        for net in item.list
    }
    expected = {}  # the width that each node needs
    for number, row in enumerate(weights):
        for place, below in nodes(row):
            kind = "product" if place.count("_") == 1 else "sum"
            (bits,) = (
                bits_for(int(low), int(high))
                for low, high in zip(*bounds.exact_range(below[None], spec.inputs), strict=True)
            )
            expected[f"{kind}_{number}{place}"] = bits
    found = {
        net: bits for net, bits in widths.items() if re.fullmatch(r"(product|sum)_\d+(_\d+)+", net)
    }
    assert found == {node: min(bits, spec.acc_bits) for node, bits in expected.items()}
    observers = {net.removesuffix("_overflow") for net in widths if net.endswith("_overflow")}
    leaving = {node for node, bits in expected.items() if bits > spec.acc_bits}
    assert observers == (leaving if spec.observe or spec.overflow == SATURATE else set())
    times = sum(isinstance(node, ast.Times) for node in everything(module))
    products = sum(node.startswith("product") for node in expected)
    assert times == unit.products == np.count_nonzero(weights) == products
    assert unit.sums == len(expected) - unit.products
    assert unit.observed == (len(leaving) if spec.observe else 0)
    layer_bits = bounds.layer_bits(weights, spec.inputs)
    assert bool(leaving) == (layer_bits > spec.acc_bits)


def test_a_layer_that_is_safe_has_no_observer() -> None:
    layer = QuantLayer.load(LAYERS / "a2q-p16.npz")
    spec = layer.spec(16, pe=layer.mh, simd=layer.mw)
    unit = unrolled(layer.weights, spec)
    assert unit.observed == 0
    assert "overflow" not in unit.text.split("`default_nettype none")[1]
    assert unrolled(layer.weights, replace(spec, acc_bits=14)).observed > 0


def test_the_same_layer_has_the_same_text() -> None:
    spec = SPECS["wide"]
    weights = sparse(spec, 0.5)
    text = unrolled(weights, spec).text
    assert unrolled(np.asfortranarray(weights.astype(np.int8)), spec, [2, 4]).text == text
    assert unrolled(weights, spec, [2]).text != text
    assert unrolled(sparse(spec, 0.5, seed=2), spec).text != text
    assert text.isascii()


LAYERS_TO_LINT = {
    "adverse": lambda spec: sparse(spec, 1.0),
    "sparse": lambda spec: sparse(spec, 0.2),
    "none": lambda spec: np.zeros((spec.mh, spec.mw), np.int64),
    "one": lambda spec: np.eye(spec.mh, spec.mw, dtype=np.int64) * spec.weights.minimum,
}


@pytest.mark.sim
@pytest.mark.parametrize("name", SPECS)
def test_text_is_clean_under_both_gates(name: str, tmp_path: Path) -> None:
    spec = SPECS[name]
    shutil.copy(RTL / "skid_buffer.v", tmp_path)
    every = range((spec.mw - 1).bit_length() + 1)
    for layer in LAYERS_TO_LINT.values():
        for registers in (None, [], every):
            registers = registers if registers is None else list(registers)
            (tmp_path / "unrolled.v").write_text(unrolled(layer(spec), spec, registers).text)
            for gate in simulators():
                assert lint_unit(UNROLLED, gate, {name: {}}, tmp_path) == []


def require_golden(case: Case, out: IntArray, overflow: Any) -> None:
    trace = mvau.run(case.spec, case.weights, case.vectors)
    np.testing.assert_array_equal(out, trace.out, err_msg=case.id)
    np.testing.assert_array_equal(overflow, trace.overflow & case.spec.observe, err_msg=case.id)


@pytest.mark.sim
@pytest.mark.parametrize("name", [*SPECS, *BIPOLAR])
def test_unit_equals_golden_model(name: str) -> None:
    """All families; stalls and resets change nothing; one vector a cycle, after the latency."""
    spec = (SPECS | BIPOLAR)[name]
    for case in (
        adverse_case(UNROLLED, spec),
        *(adverse_case(UNROLLED, spec, stalls={stream: STALLS[stream]}) for stream in STALLS),
        *(
            adverse_case(UNROLLED, spec, edges_only=True, stalls=stalls, reset_after=cycles)
            for stalls in ({}, STALLS)
            for cycles in (0, 1, 3, 6)
        ),
    ):
        played = batch.play(case)
        assert played.passed, played.report
        assert played.outcome is not None
        require_golden(case, played.outcome.out, played.outcome.overflow)
    case = adverse_case(UNROLLED, spec)
    assert case.registers is not None
    due = case.vector_count + 1 + len(case.registers)
    assert batch.play(case).cycles == due


@pytest.mark.sim
@pytest.mark.parametrize("weights", ["none", "one", "sparse"])
@pytest.mark.parametrize("name", ["odd tree", "odd tree, signed, saturating"])
def test_zero_weights_are_no_nodes_and_change_nothing(name: str, weights: str) -> None:
    spec = SPECS[name]
    layer = LAYERS_TO_LINT[weights](spec)
    played = batch.play(against(layer, spec, stalls=STALLS))
    assert played.passed, played.report


@pytest.mark.sim
@pytest.mark.parametrize("seed", range(16))
def test_units_of_any_kind_equal_golden_model(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spec = spec_of(
        *map(int, (rng.integers(1, 25), rng.integers(1, 7), *rng.integers(1, 9, 2))),
        p=int(rng.integers(2, 20)),
        signed_input=bool(rng.integers(2)),
        overflow=(WRAP, SATURATE)[rng.integers(2)],
        observe=bool(rng.integers(4)),
    )
    levels = np.flatnonzero(rng.integers(2, size=(spec.mw - 1).bit_length() + 1))
    case = against(sparse(spec, rng.random(), seed), spec, registers=levels.tolist(), seed=seed)
    for played in (batch.play(case), batch.play(replace(case, stalls=STALLS))):
        assert played.passed, played.report


@pytest.mark.sim
@pytest.mark.parametrize("overflow", [WRAP, SATURATE], ids=lambda o: o.word)
def test_registers_anywhere_change_nothing_but_the_latency(overflow: Any) -> None:
    spec = replace(SPECS["odd tree"], overflow=overflow)
    weights = sparse(spec, 0.8)
    for count in range(5):
        for levels in combinations(range(4), count):
            calm = batch.play(against(weights, spec, registers=levels))
            assert calm.passed, calm.report
            assert calm.cycles == calm.case.vector_count + 1 + count
            stalled = against(weights, spec, registers=levels, stalls=STALLS, reset_after=9)
            assert (played := batch.play(stalled)).passed, played.report


@pytest.mark.sim
@pytest.mark.parametrize("name", ["narrowest", "odd tree, signed, saturating"])
@pytest.mark.parametrize("sim", simulators())
def test_simulators_agree(name: str, sim: str) -> None:
    spec = SPECS[name]
    cases = [
        adverse_case(UNROLLED, spec),
        adverse_case(UNROLLED, spec, stalls=STALLS, edges_only=True),
        adverse_case(UNROLLED, spec, stalls=STALLS, edges_only=True, reset_after=5),
    ]
    for played in play_all(cases, simulator(sim)):
        assert played.passed, played.report
        assert played.outcome is not None
        require_golden(played.case, played.outcome.out, played.outcome.overflow)


@pytest.mark.sim
def test_one_simulation_has_one_set_of_weights() -> None:
    spec = SPECS["narrowest"]
    cases = [against(np.full((3, 2), weight), spec) for weight in (0, -1)]
    with pytest.raises(ValueError, match="must share unit, spec and Verilog"):
        play_all(cases, simulator(simulators()[-1]))


def test_a_case_comes_back_from_its_file(tmp_path: Path) -> None:
    case = against(sparse(SPECS["wide"], 0.5), SPECS["wide"], registers=[1, 5], stalls=STALLS)
    case.save(tmp_path / "case.json")
    again = Case.load(tmp_path / "case.json")
    assert (again.id, again.registers, again.latency) == (case.id, (1, 5), 3)
    assert "-r.1.5-" in case.id
    assert verilog_of(again) == verilog_of(case)
    assert verilog_of(again) != verilog_of(replace(case, registers=[1]))
    assert verilog_of(adverse_case("mvau", SPECS["wide"])) == RTL


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "folded": (
        {"spec": replace(SPECS["wide"], simd=11)},
        "an unrolled must have PE=MH=10 SIMD=MW=33, got PE=10 SIMD=11",
    ),
    "a weight stream": ({"stalls": {"weight": "every-3"}}, "stalls must be on input, output, got"),
    "a level too many": (
        {"registers": (7,)},
        r"registers must be ascending levels from 0 to 6, got \(7,\)",
    ),
    "a negative level": ({"registers": (-1,)}, "registers must be ascending levels from 0 to 6"),
    "levels out of order": ({"registers": (2, 1)}, "registers must be ascending levels"),
    "a level twice": ({"registers": (2, 2)}, "registers must be ascending levels"),
    "levels of text": ({"registers": "24"}, "registers must be ascending levels .* got '24'"),
    "a level of truth": ({"registers": (True,)}, "registers must be ascending levels"),
    "a number": ({"registers": 2}, "registers must be ascending levels .* got 2"),
    "registers of another unit": (
        {"unit": "mvau", "registers": ()},
        "registers must be those of an unrolled, got them for mvau",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    changes, sentence = REFUSED[name]
    case = against(sparse(SPECS["wide"], 0.5), SPECS["wide"])
    unit = {"registers": None} if "unit" in changes else {}
    with pytest.raises(InputError, match=f"^{sentence}") as caught:
        replace(case, **{**unit, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (np.zeros((33, 10), int), r"weights must have shape \(10, 33\), got \(33, 10\)"),
        (np.full((10, 33), 8), "weights must fit signed 4-bit integers .* got 8"),
        (np.zeros((10, 33)), "weights must be integers, got dtype float64"),
    ],
)
def test_generator_refuses_other_weights(weights: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}"):
        unrolled(weights, SPECS["wide"])


# Bugs of the generator: each must show in what its units answer, or in what they are made of.
BUGS = {
    "neighbours from the other end": (
        "nodes = [*row.nodes, None] if len(row.nodes) % 2 else row.nodes",
        "nodes = [*row.nodes, None][::-1] if len(row.nodes) % 2 else row.nodes[::-1]",
    ),
    "an odd one goes first": (
        "nodes = [*row.nodes, None] if len(row.nodes) % 2 else row.nodes",
        "nodes = [row.nodes[0], None, *row.nodes[1:]] if len(row.nodes) % 2 else row.nodes",
    ),
    "sums one bit too narrow": (
        "min(bits_for(low, high), self.spec.acc_bits + 1)",
        "max(bits_for(low, high) - 1, left.word.bits, right.word.bits)",
    ),
    "products one bit too narrow": (
        "product, low, high, bits_for(low, high))",
        "product, low, high, max(2, bits_for(low, high) - 1))",
    ),
    "observer missing": (
        "row.overflows.append(overflow)",
        "row.overflows += [overflow] if 'product' in name else []",
    ),
    "observer of products missing": (
        "row.overflows.append(overflow)",
        "row.overflows += [] if 'product' in name else [overflow]",
    ),
    "overflow seen at one end alone": (
        "top.any() & ~top.all()",
        "top.any() & ~exact.part(exact_bits - 1)",
    ),
    "saturation at the wrong end": ("concat(sign, repeat(~sign,", "concat(~sign, repeat(sign,"),
    "registers forgotten on a row": (
        "for number, row in enumerate(rows):\n            row.nodes",
        "for number, row in enumerate(rows[:-1]):\n            row.nodes",
    ),
    "overflow bits overtake their results": (
        'row.overflows = [registered(f"overflow_{number}", concat(*row.overflows).any())]',
        "row.overflows = [concat(*row.overflows).any()]",
    ),
    "overflow forgotten at registers": (
        'row.overflows = [registered(f"overflow_{number}", concat(*row.overflows).any())]',
        "row.overflows = []",
    ),
    "sign of a product": ("signed_literal(weight, bits)", "signed_literal(abs(weight), bits)"),
    "sign of an input": ("if inputs.signed else", "if not inputs.signed else"),
    "input of the neighbour": (
        "concat(repeat(fill, bits - inputs.bits), self.input_data.part(low,",
        "concat(repeat(fill, bits - inputs.bits), self.input_data.part(0,",
    ),
    "values move without room": ("[when(room, taken)]", "taken"),
    "valid bits move without room": (
        "[when(room, [becomes(valid_q, valid)])]",
        "[becomes(valid_q, valid)]",
    ),
    "a reset leaves valid bits": (
        "[when(self.rst, [becomes(valid_q, literal(0, 1))], moves)]",
        "moves",
    ),
    "inputs are taken without room": (
        "assign(self.input_ready, room)",
        "assign(self.input_ready, literal(1, 1) | room)",
    ),
    "rows turned around": ("concat(*reversed(data))", "concat(*data)"),
    "overflow bits turned around": ("concat(*reversed(user))", "concat(*user)"),
    "results not sign-extended": (
        "extend(row, spec.acc_bits)",
        "row if row.bits == spec.acc_bits else concat(literal(0, spec.acc_bits - row.bits), row)",
    ),
    "tlast low": ("literal(1, 1)]  # tlast", "literal(0, 1)]  # tlast"),
    "latency told wrong": ("latency = 1 +", "latency = 2 +"),
}
HUNTERS = (
    "odd tree, signed, saturating", "odd tree", "P far under a signed product", "ample"
)  # fmt: skip


def edited(right: str, wrong: str) -> Any:
    """Return the generator with an edit."""
    source = Path(generator.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1, "a bug is planted in exactly one place"
    module = types.ModuleType("edited")
    module.__dict__["__name__"] = generator.__name__  # where its dataclasses look for their names
    exec(compile(source.replace(right, wrong), "edited", "exec"), module.__dict__)
    return module


def complaints(generated: Any, folder: Path) -> Iterator[str]:
    """Yield what is wrong with units of a generator."""
    shutil.copy(RTL / "skid_buffer.v", folder)
    for name in HUNTERS:
        spec = SPECS[name]
        weights = sparse(spec, 0.9)
        try:
            unit = generated.unrolled(weights, spec)
        except VerilogError as error:
            yield f"it generates nothing: {error}"
            return
        (folder / "unrolled.v").write_text(unit.text, encoding="utf-8")
        for others in ({}, {"stalls": STALLS}, {"stalls": STALLS, "reset_after": 7}):
            case = against(weights, spec, **others)
            if unit.latency != case.latency:
                yield f"the latency is {case.latency}, told as {unit.latency}"
            try:
                yield batch.play(case, folder).report
            except SimulationError as error:
                yield str(error)


@pytest.mark.sim
@pytest.mark.parametrize("name", BUGS)
def test_bug_of_the_generator_is_found(name: str, tmp_path: Path) -> None:
    found = next(filter(None, complaints(edited(*BUGS[name]), tmp_path)), "")
    print(found)
    assert found, f"not found: {name}"


@pytest.mark.sim
def test_without_a_bug_there_is_no_complaint(tmp_path: Path) -> None:
    assert not any(complaints(edited("tlast, so that", "tlast, so that"), tmp_path))


@pytest.mark.sim
def test_a_failure_is_made_small_and_replays_from_its_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = SPECS["odd tree"]
    case = against(sparse(spec, 0.8), spec, stalls=STALLS, registers=[1])
    bug = edited("signed_literal(weight, bits)", "signed_literal(abs(weight), bits)")
    shutil.copy(RTL / "skid_buffer.v", tmp_path)
    text = bug.unrolled(case.weights, spec, case.registers).text
    (tmp_path / "unrolled.v").write_text(text, encoding="utf-8")
    failed = batch.play(case, tmp_path)
    assert "MISMATCH  result" in failed.report
    small = batch.smallest(case, tmp_path)
    assert small.vector_count == 1
    assert set(small.stalls.values()) == {"never"}
    assert (small.weights == case.weights).all(), "they are wired in"
    assert not batch.play(small, tmp_path).passed
    file = str(failed.folder / "case.json")
    sim = simulators()[-1]
    assert cli.main(["repro", "--sim", sim, "--rtl", str(tmp_path), file]) == 1
    assert "MISMATCH  result" in capsys.readouterr().out
    assert cli.main(["repro", "--sim", sim, file]) == 0
    assert "RTL = golden model, bit for bit" in capsys.readouterr().out


@pytest.mark.sim
def test_the_main_job_plays_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    layer = QuantLayer(np.array([[7, 0, -8, 7], [0, 1, 0, -1]]), 4, Format(4, signed=False))
    layer.save(tmp_path / "small.npz")
    asked = ["--layer", str(tmp_path / "small.npz"), "--acc", "8", "--units", "unrolled"]
    told = tmp_path / "verdict.json"
    assert cli.main(["sim", *asked, "--sim", simulators()[-1], "--json", str(told)]) == 0
    assert "unrolled with PE=2 SIMD=4" in " ".join(capfd.readouterr().out.split())
    (told,) = json.loads(told.read_text())["layers"]
    assert [run["unit"] for run in told["runs"]] == ["unrolled"]
    assert told["overflows_seen"] > 0


def test_command_writes_a_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer, out = LAYERS / "a2q-p12.npz", tmp_path / "my.v"
    told = ["--layer", str(layer), "--acc", "11", "--overflow", "saturate", "--registers", "0,3"]
    assert cli.main(["unroll", *told, "--out", str(out)]) == 0
    loaded = QuantLayer.load(layer)
    spec = loaded.spec(11, overflow=SATURATE, pe=loaded.mh, simd=loaded.mw)
    unit = unrolled(loaded.weights, spec, [0, 3])
    assert out.read_text(encoding="utf-8") == unit.text
    assert unit.observed > 0
    assert capsys.readouterr().out.endswith(
        f"my.v: module unrolled, 10 rows of 64 inputs with {np.count_nonzero(loaded.weights)} "
        f"nonzero weights, {unit.products + unit.sums} nodes of which {unit.observed} can leave "
        "11 bits and are observed, latency in cycles: 3; it goes with rtl/skid_buffer.v\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--registers", "2,7"], "registers must be ascending levels from 0 to 6, got [2, 7]"),
        (["--registers", "two"], "REGISTERS must be an integer from 0 to 16, got 'two'"),
        (["--registers", ""], "REGISTERS must be an integer from 0 to 16, got ''"),
        (["--acc", "1"], "ACC must be an integer from 2 to 64, got '1'"),
        (["--overflow", "clip"], "OVERFLOW must be wrap or saturate, got 'clip'"),
        (["--out", "/nowhere/my.v"], "OUT must be a regular file that can be written, got '/now"),
        (["--layer", "/nowhere.npz"], "/nowhere.npz must be"),
    ],
)
def test_command_refuses(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my.v"
    given = ["--layer", str(LAYERS / "a2q-p12.npz"), "--out", str(out), *arguments]
    assert cli.main(["unroll", *given]) == 2
    assert capsys.readouterr().err.startswith(f"a2q: {sentence}")
    assert not out.exists()


def test_command_refuses_a_layer_that_starts_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = QuantLayer.load(LAYERS / "a2q-p12.npz")
    replace(layer, acc_bias=np.arange(10)).save(tmp_path / "biased.npz")
    given = ["--layer", str(tmp_path / "biased.npz"), "--out", str(tmp_path / "my.v")]
    assert cli.main(["unroll", *given]) == 2
    assert "must be 0, where every sum starts, got 1" in capsys.readouterr().err

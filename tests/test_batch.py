"""The batch engine: answers what it is asked, refuses what makes no sense, always comes back."""

from __future__ import annotations

import doctest
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted_bugs import BUGS, planted
from rtl_suite import SPECS, STALLS

from golden import mvau
from golden.integer import InputError
from golden.spec import MvauSpec
from sim import batch, cache
from sim.batch import library
from sim.cache import SimulationError
from sim.paths import RTL
from tb.case import Case, Stimulus
from tb.stalls import STREAMS
from tb.stimulus import adverse_case

pytestmark = pytest.mark.sim

SPEC = MvauSpec(mw=4, mh=2, pe=1, simd=2, weight_bits=4, input_bits=4, acc_bits=8)
WEIGHTS, INPUTS = np.ones((2, 4), np.int64), np.ones((3, 4), np.int64)
NO_FOLDS = SPECS["no folds"]
RUNTIME = library.runtime(library.simulator("verilator"))


def test_example() -> None:
    assert doctest.testmod(batch) == (0, 5)


def same(one: mvau.Outcome, other: mvau.Outcome) -> bool:
    return bool((one.out == other.out).all() and (one.overflow == other.overflow).all())


def test_arrays_of_any_layout_and_type() -> None:
    rng = np.random.default_rng(1)
    weights, inputs = rng.integers(-8, 8, (2, 4)), rng.integers(0, 16, (9, 4))
    model = batch.load(SPEC)
    expected = mvau.run(SPEC, weights, inputs)
    order = [3, 1, 0, 2]
    assert same(model.run(weights, inputs), expected)
    assert same(model.run(weights.tolist(), inputs.tolist()), expected)
    assert same(model.run(weights.astype(np.int8), inputs.astype(np.uint8)), expected)
    assert same(model.run(np.asfortranarray(weights), np.asfortranarray(inputs)), expected)
    reordered = weights[:, order], inputs[:, order]
    assert same(model.run(*reordered), mvau.run(SPEC, *reordered))
    assert same(model.run(weights[::-1][::-1], inputs[:, ::-1][:, ::-1]), expected)


def test_every_call_starts_from_power_on() -> None:
    """What was played before changes nothing, not even the cycles."""
    case = adverse_case("mvau", NO_FOLDS, stalls=STALLS["all"], reset_after=3)
    model = batch.load(NO_FOLDS)
    first = model.run(case)
    model.run(adverse_case("mvau", NO_FOLDS, seed=2))
    again = model.run(case)
    assert same(first, again)
    assert first.cycles == again.cycles


def test_many_threads_at_once() -> None:
    cases = [adverse_case("mvau", NO_FOLDS, seed) for seed in range(16)]
    model = batch.load(NO_FOLDS)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(model.run, cases * 4))
    for case, answer in zip(cases * 4, answers, strict=True):
        assert same(answer, mvau.run(NO_FOLDS, case.weights, case.vectors))


@pytest.mark.parametrize("stream", STREAMS)
def test_stalls_take_their_time(stream: str) -> None:
    """On a stream that moves in every cycle, half the cycles make it take twice as long."""
    model = batch.load(NO_FOLDS)
    weights, inputs = np.ones((9, 12), int), np.ones((100, 12), int)
    calm = model.run(weights, inputs)
    stalled = model.run(weights, inputs, stalls={stream: "every-2"})
    assert calm.cycles == 101
    assert 200 <= stalled.cycles <= 203


def test_large_batches_are_whole() -> None:
    inputs = np.arange(4 * 50_000).reshape(-1, 4) % 16
    trace = batch.load(SPEC).run([[1, 2, -3, 4], [0, -1, 0, 1]], inputs)
    expected = mvau.outcome(SPEC, np.array([[1, 2, -3, 4], [0, -1, 0, 1]]), inputs)
    assert same(trace, expected)


REFUSED: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "weights transposed": ((WEIGHTS.T, INPUTS), {}, r"weights must have shape \(2, 4\), got"),
    "weights flat": ((WEIGHTS[0], INPUTS), {}, "weights must be a 2-dimensional array"),
    "weights of floats": ((WEIGHTS / 1, INPUTS), {}, "weights must be integers, got dtype float64"),
    "weights too high": ((WEIGHTS * 8, INPUTS), {}, r"weights must fit signed 4-bit .* got 8"),
    "weights of text": (("abc", INPUTS), {}, "weights must be integers, got dtype"),
    "no weights": ((None, INPUTS), {}, "weights must be integers, got dtype object"),
    "inputs too long": ((WEIGHTS, np.ones((3, 5), int)), {}, "inputs must have MW=4 columns"),
    "inputs too low": ((WEIGHTS, -INPUTS), {}, r"inputs must fit unsigned 4-bit .* got -1"),
    "inputs too high": ((WEIGHTS, INPUTS * 16), {}, r"inputs must fit unsigned 4-bit .* got 16"),
    "inputs beyond int64": ((WEIGHTS, [[2**70] * 4]), {}, "inputs must be integers, got dtype obj"),
    "inputs ragged": ((WEIGHTS, [[1], [1, 2]]), {}, "inputs must be an array, got rows of differ"),
    "inputs not a number": ((WEIGHTS, INPUTS * np.nan), {}, "inputs must be integers, got dtype"),
    "no vectors": ((WEIGHTS, INPUTS[:0]), {}, "inputs must be a 2-dimensional array with elements"),
    "no inputs": ((WEIGHTS,), {}, "inputs must be integers, got dtype object"),
    "unknown stall": ((WEIGHTS, INPUTS), {"stalls": {"input": "often"}}, "a stall pattern must be"),
    "no stall": ((WEIGHTS, INPUTS), {"stalls": {"input": None}}, "a stall pattern must be"),
    "endless stalls": (
        (WEIGHTS, INPUTS),
        {"stalls": {"input": "bursts-1-9999", "output": "bursts-1-9999"}},
        r"a case with stalls must end within 67108864 cycles, got a budget of \d+",
    ),
    "unknown stream": ((WEIGHTS, INPUTS), {"stalls": {"clock": "never"}}, "stalls must be on"),
    "seed": ((WEIGHTS, INPUTS), {"seed": -1}, "seed must be 0 to 2147483647, got -1"),
    "reset late": ((WEIGHTS, INPUTS), {"reset_after": 10**6}, "reset_after must be 0 to"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    given, others, sentence = REFUSED[name]
    with pytest.raises(InputError, match=f"^{sentence}") as caught:
        batch.load(SPEC).run(*given, **others)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_refuses_a_case_of_another_unit() -> None:
    case = adverse_case("mvau", NO_FOLDS)
    with pytest.raises(
        InputError, match=r"^the case must be for a mvau of mw4-.*, got a mvau of mw12"
    ):
        batch.load(SPEC).run(case)
    with pytest.raises(InputError, match=r"^a case must come alone"):
        batch.load(NO_FOLDS).run(case, INPUTS)
    with pytest.raises(InputError, match=r"^a case must come alone"):
        batch.load(NO_FOLDS).run(case, seed=2)


@pytest.mark.parametrize(
    ("unit", "sentence"),
    [
        ("dot", "unit must be mac, mvau, vvau or unrolled, got 'dot'"),
        ("mac", "a mac must have PE=1 SIMD=1, got"),
    ],
)
def test_refuses_a_unit_that_does_not_play(unit: str, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}"):
        batch.load(SPEC, unit)


def test_every_level_of_optimisation_gives_the_same() -> None:
    case = adverse_case("mvau", NO_FOLDS, stalls=STALLS["all"])
    one, two = (batch.load(NO_FOLDS, level=level).run(case) for level in (1, 3))
    assert same(one, two)
    assert one.cycles == two.cycles
    with pytest.raises(InputError, match=r"^level must be 1 or 3, got 4"):
        batch.load(NO_FOLDS, level=4)


# Units that misbehave

LOOP = """/* verilator lint_off UNOPTFLAT */
    wire loop;
    assign loop = ~loop | ~input_valid;
    /* verilator lint_on UNOPTFLAT */
    assign input_ready = loop & s_axis_weight_tvalid"""

# A file, a text in it, what takes its place, and what is said of it.
MISBEHAVING = {
    "deaf": (
        "mvau.v", "input_ready          = s_axis_weight_tvalid", "input_ready = 1'b0",
        r"no end within \d+ cycles; beats that moved: input=0 weight=\d+ output=0, .* 6",
    ),
    "mute": (
        "skid_buffer.v", "m_axis_tvalid = out_valid_q", "m_axis_tvalid = 1'b0",
        r"no end within \d+ cycles; beats that moved: input=\d+ weight=\d+ output=0",
    ),
    "talkative": (
        "skid_buffer.v", "out_valid_q <= accept", "out_valid_q <= 1'b1 | accept",
        "a beat came before the operands that it is made of",
    ),
    "quits": (
        "pe.v", "            first_q <= last;", "begin first_q <= last; $finish; end",
        r"the unit called \$finish",
    ),
    "stops": (
        "pe.v", "            first_q <= last;", "begin first_q <= last; $stop; end",
        r"Verilog \$stop",
    ),
    "oscillates": (
        "mvau.v", "assign input_ready          = s_axis_weight_tvalid", LOOP,
        "DIDNOTCONVERGE",
    ),
}  # fmt: skip


def changed(tmp_path: Path, file: str, right: str, wrong: str) -> Path:
    """Return a copy of the RTL in which ``right`` is ``wrong``."""
    rtl = Path(shutil.copytree(RTL, tmp_path / "rtl"))
    text = (rtl / file).read_text()
    assert text.count(right) == 1
    (rtl / file).write_text(text.replace(right, wrong))
    return rtl


@pytest.mark.parametrize("name", MISBEHAVING)
def test_a_unit_that_misbehaves_is_told_from_one_that_is_slow(name: str, tmp_path: Path) -> None:
    file, right, wrong, sentence = MISBEHAVING[name]
    model = batch.load(SPEC, rtl=changed(tmp_path, file, right, wrong))
    for _ in range(2):
        with pytest.raises(SimulationError, match=sentence):
            model.run(WEIGHTS, INPUTS)
    assert same(batch.load(SPEC).run(WEIGHTS, INPUTS), mvau.run(SPEC, WEIGHTS, INPUTS))


ROOM = "wire space;\n    wire room = space & (m_axis_output_tready | ~m_axis_output_tvalid);"
FOLLOWING = {
    "mac": ("mac.v", "wire room;", ROOM),
    "mvau": ("mvau.v", "wire room;", ROOM),
    "vvau": ("vvau.v", "wire room;", ROOM),
    "valid": (
        "skid_buffer.v",
        "m_axis_tvalid = out_valid_q",
        "m_axis_tvalid = out_valid_q & m_axis_tready",
    ),
}


@pytest.mark.parametrize("name", FOLLOWING)
def test_nothing_may_follow_ready_of_the_output(name: str, tmp_path: Path) -> None:
    """A path through the whole unit, from the next one's ready, is a bug of no result."""
    file, right, wrong = FOLLOWING[name]
    rtl = changed(tmp_path, file, right, wrong)
    unit = "mvau" if name == "valid" else name
    if wrong is ROOM:
        text = (rtl / file).read_text()
        (rtl / file).write_text(text.replace(".s_axis_tready(room)", ".s_axis_tready(space)"))
    model = batch.load(replace(SPEC, simd=1), unit, rtl)
    inputs = np.tile(INPUTS, 2) if unit == "vvau" else INPUTS
    with pytest.raises(
        SimulationError, match="neither tvalid of an output nor tready of an input may foll"
    ):
        model.run(WEIGHTS, inputs, stalls={"output": "late-20"})


def test_what_was_built_may_be_moved(tmp_path: Path) -> None:
    """With all that it is linked with, to a folder of another name."""
    asked = """
from golden.spec import MvauSpec
from sim import batch
spec = MvauSpec(mw=1, mh=2, pe=1, simd=1, weight_bits=4, input_bits=4, acc_bits=8)
print(batch.load(spec).run([[1], [-1]], [[3]]).out.tolist())
"""

    def answer(folder: Path) -> str:
        command, env = [sys.executable, "-c", asked], {**os.environ, "A2Q_CACHE": str(folder)}
        ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert ran.stdout == "[[3, -3]]\n", ran.stderr
        return str(sorted(path.stat().st_mtime_ns for path in folder.rglob("*.so")))

    before = answer(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "here").mkdir()
    assert answer(tmp_path / "there") == before


NARROW = """
module mvau #(
    parameter integer MW = 1, MH = 1, PE = 1, SIMD = 1, WEIGHT_BITS = 1, INPUT_BITS = 1,
    parameter integer SIGNED_INPUT = 0, ACC_BITS = 2, OVERFLOW = 0, OBSERVE = 1,
    parameter integer BIPOLAR_WEIGHT = 0, BIPOLAR_INPUT = 0
) (
    input wire clk, input wire rst,
    input wire [7:0] s_axis_input_tdata, input wire s_axis_input_tvalid,
    output wire s_axis_input_tready,
    input wire [7:0] s_axis_weight_tdata, input wire s_axis_weight_tvalid,
    output wire s_axis_weight_tready,
    output wire [7:0] m_axis_output_tdata, output wire m_axis_output_tuser,
    output wire m_axis_output_tlast, output wire m_axis_output_tvalid,
    input wire m_axis_output_tready
);
endmodule
"""


@pytest.mark.parametrize("change", [{"weight_bits": 16, "simd": 4}, {"acc_bits": 33}, {"pe": 64}])
def test_ports_too_narrow_for_the_spec(tmp_path: Path, change: dict[str, int]) -> None:
    (tmp_path / "mvau.v").write_text(NARROW)
    spec = replace(SPEC, mw=4, mh=64, **change)
    with pytest.raises(SimulationError, match=r"^a port is narrower than the spec says"):
        batch.load(spec, rtl=tmp_path).run(np.ones((64, 4), int), INPUTS)


def test_a_beat_too_many(tmp_path: Path) -> None:
    """After the last result: the vectors are all there, and so is one beat more."""
    rtl = changed(
        tmp_path, "mvau.v", ".s_axis_tvalid(beat & last)", ".s_axis_tvalid((beat & last) | echo_q)"
    )
    text = (rtl / "mvau.v").read_text()
    echo = """
    reg [7:0] count_q;
    wire echo_q = count_q == 8'd6;
    always @(posedge clk)
        if (rst) count_q <= 8'd0;
        else if ((beat & last) | echo_q) count_q <= count_q + 8'd1;

endmodule"""
    (rtl / "mvau.v").write_text(text.replace("\nendmodule", echo))
    with pytest.raises(SimulationError, match="a beat came after the last one that is due"):
        batch.load(SPEC, rtl=rtl).run(WEIGHTS, INPUTS)


def test_results_before_a_reset_must_be_those_after_it(tmp_path: Path) -> None:
    """A unit that gives other results once it was reset a second time."""
    rtl = changed(tmp_path, "mvau.v", "overflow, acc}", "overflow, acc ^ {PE*ACC_BITS{again_q}}}")
    text = (rtl / "mvau.v").read_text()
    again = """
    reg [1:0] resets_q = 2'd0;
    wire again_q = resets_q == 2'd2;
    always @(posedge clk)
        if (rst) resets_q <= resets_q + 2'd1;

endmodule"""
    (rtl / "mvau.v").write_text(text.replace("\nendmodule", again))
    model = batch.load(SPEC, rtl=rtl)
    assert same(model.run(WEIGHTS, INPUTS), mvau.run(SPEC, WEIGHTS, INPUTS))
    with pytest.raises(
        SimulationError, match=r"^output beat 0 was \[4\] before the reset, \[-5\] after"
    ):
        model.run(WEIGHTS, INPUTS, reset_after=12)


def test_registers_start_from_the_seed(tmp_path: Path) -> None:
    """A reset that is missing shows, and shows the same again."""
    rtl = changed(
        tmp_path,
        "replay_buffer.v",
        "            copy_q <= {COPY_BITS{1'b0}};\n        end else",
        "        end else",
    )
    model = batch.load(replace(SPEC, mh=8), rtl=rtl)

    def verdict(seed: int) -> str:
        try:
            trace = model.run(np.ones((8, 4), int), INPUTS, seed=seed)
        except SimulationError as error:
            return str(error)
        return str(trace.out.tolist())

    verdicts = [verdict(seed) for seed in range(20)]
    assert len(set(verdicts)) > 1
    assert verdicts == [verdict(seed) for seed in range(20)]


def test_sources_that_do_not_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CACHE", tmp_path / "sim")
    rtl = changed(tmp_path, "mvau.v", "endmodule", "endmodul")
    with pytest.raises(
        SimulationError, match=r"^mvau does not build: .*mvau.v:\d+:.*syntax error.*; the log is "
    ) as caught:
        batch.load(SPEC, rtl=rtl)
    log = Path(str(caught.value).rpartition(" ")[2])
    assert "syntax error" in log.read_text()


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_refuses_a_folder_without_verilog(tmp_path: Path, folder: str) -> None:
    with pytest.raises(InputError, match=r"^rtl must be a folder with Verilog files, got "):
        batch.load(SPEC, rtl=tmp_path / folder)


def test_the_folder_may_be_a_name() -> None:
    assert same(
        batch.load(SPEC, rtl=str(RTL)).run(WEIGHTS, INPUTS), mvau.run(SPEC, WEIGHTS, INPUTS)
    )


@pytest.mark.parametrize(
    ("bug", "sentence"),
    [
        ("valid dropped under backpressure", "tvalid must hold until the beat is taken"),
        ("data not held under backpressure", "a beat must hold until it is taken"),
    ],
)
def test_the_rules_of_streams(bug: str, sentence: str, tmp_path: Path) -> None:
    model = batch.load(SPEC, rtl=planted(BUGS[bug], tmp_path))
    weights, inputs = np.array([[1, 2, 3, 4], [-1, 0, 1, 2]]), np.arange(40).reshape(10, 4) % 16
    with pytest.raises(SimulationError, match=f"^m_axis_output: {sentence}"):
        model.run(weights, inputs, stalls={"output": "bursts-1-9"})


# Builds


@pytest.mark.parametrize("left", [0, 1, 5000])
def test_a_library_that_was_damaged_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    (tmp_path / RUNTIME.name).symlink_to(RUNTIME)
    path = library.library("mvau", SPEC.verilog_parameters("mvau"))
    whole = path.stat().st_size
    os.truncate(path, left)
    assert library.library("mvau", SPEC.verilog_parameters("mvau")) == path
    assert path.stat().st_size == whole


def test_a_library_is_made_once_and_anew_for_any_change(tmp_path: Path) -> None:
    first = library.library("mvau", SPEC.verilog_parameters("mvau"))
    made = first.stat().st_mtime_ns
    assert library.library("mvau", SPEC.verilog_parameters("mvau")) == first
    assert first.stat().st_mtime_ns == made
    rtl = changed(tmp_path, "mvau.v", "// mvau.v", "// an mvau")
    assert library.library("mvau", SPEC.verilog_parameters("mvau"), rtl) != first


@pytest.mark.parametrize("path", ["", " ^ {DATA_BITS{clk}}"], ids=["registers", "data"])
def test_a_clock_that_is_data_too(tmp_path: Path, path: str) -> None:
    """What leaves is looked at while the clock is low: the answers are the same."""
    rtl = changed(tmp_path, "skid_buffer.v", "m_axis_tdata  = out_q", f"m_axis_tdata = out_q{path}")
    (tmp_path / "cpp").mkdir()
    model = library.verilated("mvau", SPEC.verilog_parameters("mvau"), rtl, tmp_path / "cpp")
    assert library.clock_is_no_data(model) == (not path)
    trace = batch.load(SPEC, rtl=rtl).run(WEIGHTS, INPUTS)
    assert same(trace, mvau.run(SPEC, WEIGHTS, INPUTS))


def test_code_that_is_not_known_is_not_taken_apart(tmp_path: Path) -> None:
    model = library.verilated("mvau", SPEC.verilog_parameters("mvau"), RTL, tmp_path)
    assert library.clock_is_no_data(model)
    for path in model:
        path.write_text(path.read_text().replace("eval_phase__nba", "eval_nba_phase"))
    assert not library.clock_is_no_data(model)


ASK = """
import sys
from golden.spec import MvauSpec
from sim import batch
print("ready", flush=True)
sys.stdin.readline()
spec = MvauSpec(mw=2, mh=1, pe=1, simd=1, weight_bits=3, input_bits=3, acc_bits=int(sys.argv[1]))
print(batch.load(spec).run([[3, -4]], [[7, 7]]).out.tolist())
"""


def test_processes_that_ask_at_once_all_get_an_answer(tmp_path: Path) -> None:
    """The library is not there yet; the runtime is."""
    (tmp_path / RUNTIME.name).symlink_to(RUNTIME)
    env = {**os.environ, "A2Q_CACHE": str(tmp_path)}
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", ASK, "9"], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for asker in askers:
        assert asker.stdout.readline() == "ready\n"
    for asker in askers:
        asker.stdin.write("go\n")
        asker.stdin.flush()
    assert [asker.communicate()[0] for asker in askers] == ["[[-7]]\n"] * 4
    assert len(list(tmp_path.glob("batch-mvau-*/unit.so"))) == 1


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_memory_stays_where_it_is() -> None:
    model = batch.load(SPEC)
    for _ in range(2_000):
        model.run(WEIGHTS, INPUTS)
    before = resident_pages()
    for _ in range(20_000):
        model.run(WEIGHTS, INPUTS)
    assert resident_pages() - before < 256


# Failures, made small


def test_a_failure_is_kept_and_made_small(tmp_path: Path) -> None:
    rtl = changed(tmp_path, "dot.v", "& (b ^ wrapped);", "& (b ^ wrapped) & ~a;")
    case = adverse_case("mvau", NO_FOLDS, stalls=STALLS["all"], reset_after=20)
    played = batch.play(case, rtl)
    assert not played.passed
    assert "MISMATCH" in played.report
    assert Case.load(played.folder / "case.json").id == case.id
    small = batch.smallest(case, rtl)
    assert not batch.play(small, rtl).passed
    assert len(small.vectors) == 1
    assert np.count_nonzero(small.weights) <= 4
    assert np.count_nonzero(small.vectors) <= 4
    assert set(small.stalls.values()) == {"never"}
    assert small.reset_after is None
    assert batch.play(small).passed


def test_what_is_left_of_a_depthwise_bipolar_case(tmp_path: Path) -> None:
    """There is no zero to clear it to: all lanes are low but those that the failure needs."""
    rtl = changed(tmp_path, "vvau.v", "(gs*PE+gp)*INPUT_BITS", "(gp*SIMD+gs)*INPUT_BITS")
    case = adverse_case("vvau", SPECS["bipolar weights and inputs"], stalls=STALLS["all"])
    small = batch.smallest(case, rtl)
    assert len(small.vectors) == 1
    assert (small.weights == -1).all()
    assert 1 <= np.count_nonzero(small.vectors == 1) <= 4
    assert not batch.play(small, rtl).passed
    assert batch.play(small).passed


def test_what_is_left_does_not_hang_on_how_registers_start(tmp_path: Path) -> None:
    """An accumulator that is never cleared starts anywhere: zeros alone would show it by chance."""
    rtl = changed(tmp_path, "pe.v", "first_q ? {ACC_BITS{1'b0}} : acc_q", "acc_q")
    case = adverse_case("mvau", SPECS["signed, saturating, odd tree"])
    small = batch.smallest(case, rtl)
    assert len(small.vectors) <= 2
    assert small.weights.any()
    for seed in range(20):
        assert not batch.play(replace(small, seed=seed), rtl).passed


def test_what_a_failure_needs_is_left(tmp_path: Path) -> None:
    rtl = changed(tmp_path, "skid_buffer.v", "skid_valid_q ? skid_q : s_axis_tdata", "s_axis_tdata")
    case = adverse_case("mvau", NO_FOLDS, stalls=STALLS["all"])
    small = batch.smallest(case, rtl)
    assert small.stalls == {"input": "never", "weight": "never", "output": "bursts-1-4"}
    assert not batch.judge(batch.load(NO_FOLDS, rtl=rtl), small).passed


def test_tallies_are_those_of_the_slow_engine() -> None:
    case = adverse_case("mvau", SPECS["shipped"])
    played = batch.play(case)
    trace = mvau.run(case.spec, case.weights, case.vectors)
    assert played.passed
    assert [tally.family for tally in played.tallies] == [s.family for s in case.stimuli]
    assert sum(tally.results for tally in played.tallies) == trace.out.size
    assert sum(tally.partial_sums for tally in played.tallies) == trace.partials.size
    assert sum(tally.overflows_seen for tally in played.tallies) == trace.overflow.sum() > 0
    assert sum(tally.transient_predicted for tally in played.tallies) == trace.transient.sum() > 0


def test_every_kind_of_difference_has_a_card() -> None:
    case = Case("mvau", SPEC, "cards", WEIGHTS, (Stimulus("ones", INPUTS),))
    model = batch.load(SPEC)

    class Lying:
        is_ours = True

        spec, unit = SPEC, "mvau"

        def run(self, case: Case) -> batch.Trace:
            trace = model.run(case)
            trace.out[1, 0] += 1
            trace.overflow[2, 1] = True
            return trace

    report = batch.judge(Lying(), case).report  # type: ignore[arg-type]
    assert "MISMATCH  result of output row 0 (fold 0, PE 0)" in report
    assert "MISMATCH  overflow bit of output row 1 (fold 1, PE 0)" in report
    assert report.count("MISMATCH") == 2

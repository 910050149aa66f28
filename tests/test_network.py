"""Whole networks in RTL: bit for bit as golden says, as fast as they are folded; bugs are told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from planted_bugs import BUGS, STREAM_BUGS, planted
from rtl_suite import SATURATE, WRAP, simulators
from strategies import BIPOLAR, FAMILIES
from test_cli import refused

from golden.integer import Format, InputError, Overflow
from golden.layer import LabelledInputs, QuantLayer
from golden.network import Network, Shape, Stage, Window, run
from sim import cli
from sim.batch.engine import Answer, Engine
from sim.batch.streams import run_streams
from sim.cache import SimulationError
from sim.generate.pipeline import LONGEST, Fold, Pipeline, _joined, folded
from sim.lint import lint_unit
from sim.network import command
from sim.network import play as player
from sim.network.command import IMAGES, shipped
from sim.network.play import DRAIN, NetworkVerdict, Question, play, verilog
from sim.paths import NETWORKS
from tb.stimulus import anything
from tb.streams import StreamCase

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def require_exact(verdict: NetworkVerdict) -> None:
    assert not verdict.failures, "\n".join(verdict.failures)
    for stage in verdict.stages:
        fold = stage.fold
        assert stage.results == verdict.images * fold.positions * fold.spec.mh
        assert stage.mismatches == 0
        assert stage.overflows_seen == stage.overflows_predicted
    assert verdict.accuracy == verdict.golden_accuracy


# Shipped networks

STALLS = {
    "random-stalls": {"input": "random-80", "output": "random-90"},
    "backpressure": {"output": "bursts-1-199"},
}


ON_DEMAND = pytest.mark.exhaustive
SHIPPED = [
    pytest.param(kind, acc_bits, marks=ON_DEMAND if kind == "mlp" and acc_bits != 12 else [])
    for kind, acc_bits in product(["cnn", "mlp"], [10, 12, 16, 24])
]


@pytest.mark.sim
@pytest.mark.parametrize("is_trained", [True, False], ids=["a2q", "unconstrained"])
@pytest.mark.parametrize("overflow", Overflow, ids=lambda policy: policy.word)
@pytest.mark.parametrize(("kind", "acc_bits"), SHIPPED)
def test_a_shipped_network_is_exact_and_as_accurate_as_predicted(
    kind: str, acc_bits: int, overflow: Overflow, is_trained: bool
) -> None:
    name, network = shipped(kind, acc_bits)[0 if is_trained else 1]
    data = LabelledInputs.load(NETWORKS / IMAGES).first(100)
    question = Question(acc_bits, overflow)
    calm = play(name, network, data, question)
    stalled = {
        stalls: play(name, network, data, replace(question, stalls=STALLS[stalls]))
        for stalls in STALLS
    }
    for verdict in (calm, *stalled.values()):
        require_exact(verdict)
        assert verdict.accuracy == calm.accuracy
        assert verdict.overflows_seen == calm.overflows_seen
    assert stalled["backpressure"].cycles > 2 * calm.cycles

    assert calm.cycles_a_frame == calm.pipeline.cycles <= 1000
    assert calm.exact_accuracy > 0.9
    assert calm.is_safe or not is_trained
    if calm.is_safe:
        assert calm.overflows_seen == 0
        assert calm.accuracy == calm.exact_accuracy
    if not is_trained and acc_bits <= 12:
        assert calm.overflows_seen > 1000
        assert calm.accuracy < calm.exact_accuracy - (0.5 if overflow is WRAP else 0.1)


@pytest.mark.sim
@pytest.mark.parametrize("kind", ["cnn", "mlp"])
def test_tops_of_shipped_networks_are_clean_under_both_gates(kind: str) -> None:
    for _, network in shipped(kind, 12):
        for pipeline in (folded(network, 12), folded(network, 63, SATURATE, cycles=100)):
            require_clean(pipeline)


def require_clean(pipeline: Pipeline) -> None:
    folder = verilog(pipeline)
    for gate in simulators():
        assert lint_unit(pipeline.top, gate, {"as folded": {}}, folder) == []


# Drawn networks


class Drawn(NamedTuple):
    network: Network
    data: LabelledInputs  # whose labels are what the network says without a width
    question: Question

    def play(self, **stalls: str) -> NetworkVerdict:
        return play("drawn", self.network, self.data, replace(self.question, stalls=stalls))


def drawn(seed: int) -> Drawn:
    """Draw a few stages of any kind, and P from far too small to ample."""
    rng = np.random.default_rng(seed)
    first: Shape = tuple(map(int, rng.integers((2, 2, 1), (9, 9, 5))))
    shape, inputs = first, a_format(rng, 6)
    stages = []
    for at in range(int(rng.integers(1, 4))):
        kind = rng.choice(["dense", "depthwise", "connected"], p=[0.45, 0.45, 0.1])
        stage = a_stage(rng, f"{kind}_{at}", shape, inputs, a_format(rng, 4))
        shape, inputs = stage.output_shape(shape), stage.layer.outputs
        stages.append(stage)
    stages.append(a_stage(rng, "scores", shape, inputs, None))
    network = Network(f"drawn-{seed}", *first, tuple(stages))
    acc_bits = int(rng.integers(2, max(network.needed_bits) + 3))
    policy, cycles = Overflow(int(rng.integers(2))), int(2 ** rng.integers(0, 10))
    return Drawn(
        network, labelled(network, rng), Question(acc_bits, policy, cycles=cycles, seed=seed)
    )


def a_format(rng: np.random.Generator, most: int) -> Format:
    bits = int(rng.integers(1, most + 1))
    return BIPOLAR if bits == 1 and rng.integers(2) else Format(bits, bool(rng.integers(2)))


def a_stage(
    rng: np.random.Generator, name: str, shape: Shape, inputs: Format, outputs: Format | None
) -> Stage:
    height, width, channels = shape
    is_depthwise = name.startswith("depthwise")
    window = a_window(rng, shape, inputs) if is_depthwise or name.startswith("dense") else None
    taps = height * width if window is None else window.kernel**2
    rows = channels if is_depthwise else int(rng.integers(1, 7))
    layer = a_layer(rng, rows, taps if is_depthwise else taps * channels, inputs, outputs)
    return Stage(name, layer, window, is_depthwise)


def a_window(rng: np.random.Generator, shape: Shape, inputs: Format) -> Window:
    while True:
        kernel, dilation, stride = map(int, rng.integers(1, 4, 3))
        most = 0 if inputs.bipolar else (kernel - 1) * dilation
        window = Window(kernel, stride, int(rng.integers(0, most + 1)), dilation)
        if window.reach <= min(shape[:2]) + 2 * window.padding:
            return window


def a_layer(
    rng: np.random.Generator, rows: int, columns: int, inputs: Format, outputs: Format | None
) -> QuantLayer:
    """Draw weights, and thresholds where accumulators are, a few of them far beyond any."""
    form = BIPOLAR if rng.integers(8) == 0 else Format(int(rng.integers(1, 6)), signed=True)
    after: dict[str, Any] = {}
    if outputs is not None:
        spread = max(inputs.maximum, -inputs.minimum) * 2 ** (form.bits - 1) * columns**0.5
        steps = rng.normal(0, spread, (rows, 2**outputs.bits - 1)).astype(np.int64)
        steps[rng.random(steps.shape) < 0.05] *= 2**40
        after = {"thresholds": np.sort(steps, axis=1), "outputs": outputs}
    weights = anything(form, (rows, columns), rng)
    return QuantLayer(weights, form.bits, inputs, bipolar_weight=form.bipolar, **after)


def labelled(network: Network, rng: np.random.Generator) -> LabelledInputs:
    """Return two images of each family."""
    shape = (2, network.height, network.width, network.channels)
    images = np.concatenate([family(rng, network.inputs, shape) for family in FAMILIES])
    labels = run(network, images).scores.argmax(axis=1)
    return LabelledInputs(images.reshape(len(images), -1), labels, network.inputs)


ALWAYS = range(16)


def windows(one: Drawn) -> Iterator[Window]:
    yield from (stage.window for stage in one.network.stages if stage.window is not None)


@pytest.mark.parametrize(
    "is_of_that_kind",
    [
        lambda one: max(one.network.needed_bits) > 2 * one.question.acc_bits,
        lambda one: max(one.network.needed_bits) <= one.question.acc_bits,
        lambda one: one.question.overflow is SATURATE,
        lambda one: any(window.kernel > 1 < window.stride for window in windows(one)),
        lambda one: any(window.padding > 1 < window.dilation for window in windows(one)),
        lambda one: any(stage.depthwise and stage.layer.mh > 1 for stage in one.network.stages),
        lambda one: any(stage.window is None for stage in one.network.stages[:-1]),
        lambda one: any(stage.layer.bipolar_weight for stage in one.network.stages),
        lambda one: any(stage.layer.outputs == BIPOLAR for stage in one.network.stages),
        lambda one: any(f.spec.pe > 1 < f.spec.simd for f in folds(one)),
        lambda one: any(f.spec.nf > 1 < f.spec.sf for f in folds(one)),
        lambda one: len(one.network.stages) == 4,
    ],
    ids=[
        "far-too-small", "ample", "saturating", "stride", "padding-and-dilation", "depthwise",
        "connected-inside", "bipolar-weights", "bipolar-between", "unfolded", "folded", "four",
    ],
)  # fmt: skip
def test_every_kind_of_network_is_always_played(is_of_that_kind: Callable[[Drawn], bool]) -> None:
    assert any(is_of_that_kind(drawn(seed)) for seed in ALWAYS)


def folds(one: Drawn) -> tuple[Fold, ...]:
    question = one.question
    return folded(one.network, question.acc_bits, question.overflow, question.cycles).folds


def refill(fold: Fold) -> int:
    """Return how long a window may wait for rows that it had no room for in the frame before."""
    window, (height, width, channels) = fold.stage.window, fold.inputs
    if window is None or not fold.has_window:
        return 0
    last_top = max(0, (fold.outputs[0] - 1) * window.stride - window.padding)
    room = min(window.reach, height) + window.stride - (height - last_top)
    missing = min(height, window.reach - window.padding) - room
    return max(0, missing) * width * channels // fold.lanes


@pytest.mark.sim
@pytest.mark.parametrize(
    "seed", [*ALWAYS, *(pytest.param(n, marks=ON_DEMAND) for n in range(16, 100))]
)
def test_a_drawn_network_is_exact_whatever_the_streams_do(seed: int) -> None:
    one = drawn(seed)
    calm = one.play()
    require_exact(calm)
    assert calm.exact_accuracy == 1
    waits = max(map(refill, calm.pipeline.folds))
    assert 0 <= calm.cycles_a_frame - calm.pipeline.cycles <= waits
    assert calm.latency <= calm.pipeline.latency + DRAIN
    for stalls in (
        {"input": "random-70"}, {"output": "random-80"},
        {"input": "bursts-3-5", "output": "bursts-1-30"},
    ):  # fmt: skip
        stalled = one.play(**stalls)
        require_exact(stalled)
        assert stalled.accuracy == calm.accuracy
        assert stalled.overflows_seen == calm.overflows_seen
    require_clean(calm.pipeline)


# Foldings


@pytest.mark.parametrize("cycles", [1, 10, 100, 1000])
def test_a_stage_has_the_fewest_multipliers_that_are_fast_enough(cycles: int) -> None:
    for seed in ALWAYS:
        one = drawn(seed)
        for fold in folded(one.network, 8, cycles=cycles).folds:
            others = [
                replace(fold, spec=replace(fold.spec, pe=pe, simd=simd))
                for pe, simd in product(range(1, fold.spec.mh + 1), range(1, fold.spec.mw + 1))
                if fold.spec.mh % pe == fold.spec.mw % simd == 0
            ]
            best = min(other.cycles for other in others)
            assert fold.cycles <= max(cycles, best)
            multipliers = fold.spec.pe * fold.spec.simd
            fewer = [f for f in others if f.spec.pe * f.spec.simd < multipliers]
            assert all(other.cycles > max(cycles, best) for other in fewer)


@pytest.mark.parametrize(
    ("acc_bits", "cycles", "message"),
    [
        (1, 1000, "P of a network must be 2 to 63, got 1"),
        (64, 1000, "P of a network must be 2 to 63, got 64"),
        (16, 0, "cycles a frame must be positive, got 0"),
    ],
)
def test_refuses_what_no_pipeline_can_be(acc_bits: int, cycles: int, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        folded(TINY, acc_bits, cycles=cycles)


@pytest.mark.parametrize("name", ["a__b", "a_", "tap_conv"])
def test_refuses_a_stage_whose_streams_could_not_be_told(name: str) -> None:
    *inner, last = TINY.stages
    with pytest.raises(InputError, match=r"^a stage of a pipeline must have a name with each _ "):
        folded(replace(TINY, stages=(*inner, replace(last, name=name))), 16)


# A network with all that a pipeline is made of

U3 = Format(3, signed=False)


def tiny_layer(rows: int, columns: int, outputs: Format | None = U3) -> QuantLayer:
    rng = np.random.default_rng(columns)
    steps = {"thresholds": np.sort(rng.integers(-60, 60, (rows, 7)), axis=1), "outputs": outputs}
    weights = rng.integers(-8, 8, (rows, columns))
    return QuantLayer(weights, 4, U3, **({} if outputs is None else steps))


def tiny(name: str = "tiny") -> Network:
    return Network(
        name, 5, 4, 2,
        (
            Stage("conv", tiny_layer(6, 18), Window(3, padding=1)),
            Stage("depthwise", tiny_layer(6, 4), Window(2, stride=2), depthwise=True),
            Stage("scores", tiny_layer(3, 24, None)),
        ),
    )  # fmt: skip


TINY = tiny()
ASKED = Question(7, cycles=200)
IMAGES_OF_TINY = labelled(TINY, np.random.default_rng(1))


def play_tiny() -> NetworkVerdict:
    return play("tiny", TINY, IMAGES_OF_TINY, ASKED)


def test_the_tiny_network_has_every_unit_and_overflows() -> None:
    pipeline = folded(TINY, ASKED.acc_bits, cycles=ASKED.cycles)
    units = {"swu", "width_converter", "fifo", "mvau", "vvau", "threshold", "weight_rom"}
    assert pipeline.modules == units
    images = TINY.images(IMAGES_OF_TINY.values)
    simd = [fold.spec.simd for fold in pipeline.folds]
    for stage in run(TINY, images, ASKED.acc_bits, ASKED.overflow, simd).stages:
        assert stage.overflow.any()
        assert not stage.overflow.all()


@pytest.mark.sim
def test_a_fifo_of_one_vector_is_what_speed_needs_and_results_do_not(monkeypatch: Patch) -> None:
    as_designed = play_tiny()
    depth = Fold.fifo_depth.fget
    cycles = {}
    for name, changed in {
        "none": lambda fold: 0,
        "least": lambda fold: min(2, depth(fold)),
        "eightfold": lambda fold: 8 * depth(fold),
    }.items():
        monkeypatch.setattr(Fold, "fifo_depth", property(changed))
        verdict = play_tiny()
        require_exact(verdict)
        cycles[name] = verdict.cycles_a_frame
    assert cycles["none"] > cycles["least"] >= as_designed.cycles_a_frame
    assert cycles["eightfold"] == as_designed.cycles_a_frame == as_designed.pipeline.cycles


@pytest.mark.sim
@pytest.mark.parametrize(
    "seed", [seed for seed in ALWAYS if any(f.fifo_depth for f in folds(drawn(seed)))]
)
def test_no_pipeline_locks_up_for_want_of_a_fifo(seed: int, monkeypatch: Patch) -> None:
    monkeypatch.setattr(Fold, "fifo_depth", property(lambda fold: 0))
    one = drawn(seed)
    for stalls in ({}, {"input": "bursts-1-7", "output": "bursts-1-40"}):
        require_exact(one.play(**stalls))


@pytest.mark.sim
@pytest.mark.parametrize("name", ["mvau", "table", "a__b-c"])
def test_a_network_may_have_any_name(name: str) -> None:
    require_exact(play(name, tiny(name), IMAGES_OF_TINY, ASKED))


@pytest.mark.sim
def test_one_image_has_time_for_all_thresholds_to_load() -> None:
    rng, wide = np.random.default_rng(5), Format(8, signed=False)
    stages = (
        Stage("wide", a_layer(rng, 16, 1, U3, wide)),
        Stage("scores", a_layer(rng, 2, 16, wide, None)),
    )
    verdict = play_one_pixel(Network("loads", 1, 1, 1, stages), Question(8))
    assert verdict.latency > 16 * 255 > 2 * DRAIN
    assert verdict.cycles_a_frame == verdict.latency


@pytest.mark.sim
def test_a_rom_may_hold_more_bits_than_a_number_of_verilator() -> None:
    rng = np.random.default_rng(6)
    rows = Format(16, signed=True).nearest(rng.integers(-(2**15), 2**15, (65, 64)))
    scores = Stage("scores", QuantLayer(rows, 16, U3))
    assert rows.size * 16 > 1 << 16
    play_one_pixel(Network("long", 1, 1, 64, (scores,)), Question(20, cycles=1040))


def test_a_fault_of_the_runs_that_are_timed_is_kept_with_the_run_that_had_it(
    monkeypatch: Patch,
) -> None:
    def fails_alone(unit: Engine, case: StreamCase) -> list[Answer]:
        if case.name == "images1":
            raise SimulationError("it fails alone")
        return run_streams(unit, case)

    monkeypatch.setattr(player, "run_streams", fails_alone)
    verdict = play("tiny", TINY, labelled(TINY, np.random.default_rng(1)), Question(acc_bits=10))
    assert "it fails alone" in verdict.failures[0]
    assert verdict.case_file is not None
    assert StreamCase.load(verdict.case_file).name == "images1"


@pytest.mark.parametrize(("words", "bits"), [([1 << 70_000, 5], 70_001), ([1, 2, 3] * 30_000, 2)])
def test_words_of_any_width_are_made_of_numbers_that_verilator_takes(
    words: list[int], bits: int
) -> None:
    joined = _joined(words, bits)
    assert joined.bits == bits * len(words)
    numbers = [number.value.split("'h") for number in joined.node.list]
    assert all(int(width) <= LONGEST for width, _ in numbers)
    whole = "".join(f"{int(value, 16):0{width}b}" for width, value in numbers)
    assert [int(whole[end - bits : end], 2) for end in range(len(whole), 0, -bits)] == words


def play_one_pixel(network: Network, question: Question) -> NetworkVerdict:
    every = labelled(network, np.random.default_rng(1))
    any_values = replace(every, values=every.values[-1:], labels=every.labels[-1:])
    assert any_values.values.any(), "of an image of zeros all weights say the same"
    verdict = play("one pixel", network, any_values, question)
    require_exact(verdict)
    return verdict


# Planted bugs


class Planted(NamedTuple):
    edit: Callable[[str], str]  # of the top
    says: str  # in the report, of the stage that is the first to be wrong


def instead(right: str, wrong: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert len(re.findall(right, text)) == 1, "a bug is planted in exactly one place"
        return re.sub(right, wrong, text)

    return edit


def rotated(rom: str, beats: int) -> Callable[[str], str]:
    """Return an edit after which a ROM begins that many beats later."""

    def edit(text: str) -> str:
        found = re.search(
            r"\.DATA_BITS\((\d+)\),\s+\.BEATS\((\d+)\),\s+\.LOOP\(.\),\s+\.WORDS\(\d+'h(\w+)\)\s+\)"
            rf"\s+{rom}\s",
            text,
        )
        assert found is not None
        bits, count, word = int(found[1]), int(found[2]), int(found[3], 16)
        assert 0 < beats < count
        low = word & ((1 << beats * bits) - 1)
        turned = word >> beats * bits | low << (count - beats) * bits
        assert turned != word
        return text[: found.start(3)] + f"{turned:x}" + text[found.end(3) :]

    return edit


IN_THE_TOP = {
    "padding that is not there": Planted(instead(r"\.PADDING\(1\)", ".PADDING(0)"), "no end"),
    "rows for columns": Planted(
        instead(r"HEIGHT\(5\),\s+\.WIDTH\(4\)(,\s+\.KERNEL\(3\))", r"HEIGHT(4), .WIDTH(5)\1"),
        "stage conv, tap_conv",
    ),
    "weights from another tile on": Planted(rotated("u_conv_weights", 1), "stage conv, tap_conv"),
    "thresholds of the neighbour": Planted(
        rotated("u_conv_thresholds", 7), "stage depthwise, tap_depthwise"
    ),
    "overflow bits that are not led out": Planted(
        instead(r"(assign tap_depthwise_tuser =) depthwise_sums_tuser", r"\1 0"),
        "stage depthwise, tap_depthwise",
    ),
    "overflow bits of the outputs that are not led out": Planted(
        instead(r"\.m_axis_output_tuser\(m_axis_output_tuser\)", ".m_axis_output_tuser()"),
        "stage scores, m_axis_output",
    ),
    "lanes that change places between stages": Planted(
        instead(
            r"\.s_axis_tdata\(conv_outputs_tdata\)",
            ".s_axis_tdata({conv_outputs_tdata[2:0], conv_outputs_tdata[5:3]})",
        ),
        "stage depthwise, tap_depthwise",
    ),
    "activations as if they were signed": Planted(
        lambda text: text.replace(".SIGNED_OUTPUT(0)", ".SIGNED_OUTPUT(1)"),
        "stage depthwise, tap_depthwise",
    ),
    "weights that never come": Planted(
        instead(r"\.s_axis_weight_tvalid\(scores_weights_tvalid\)", ".s_axis_weight_tvalid(1'b0)"),
        "no end within",
    ),
    "saturation where sums must wrap": Planted(
        lambda text: text.replace(".OVERFLOW(0)", ".OVERFLOW(1)"), "stage conv, tap_conv"
    ),
}  # fmt: skip

IN_UNITS = {
    "weights of the neighbour": "stage conv, tap_conv",
    "left and right edges without padding": "stage conv, tap_conv",
    "depthwise as if it were dense": "tap_depthwise: a beat came after the last one that is due",
    "thresholds of another row": "stage depthwise, tap_depthwise",
    "rom backwards": "stage conv, tap_conv",
    "converter adds behind a gap": "stage conv, tap_conv",
    "fifo forgets that a beat left": "tap_conv: a beat came after the last one that is due",
}


@pytest.fixture
def break_top(monkeypatch: Patch, tmp_path: Path) -> Callable[[Callable[[str], str]], None]:
    def broken(edit: Callable[[str], str]) -> None:
        def edited(pipeline: Pipeline) -> Path:
            folder = tmp_path / "broken"
            folder.mkdir(exist_ok=True)
            for path in verilog(pipeline).glob("*.v"):
                shutil.copy(path, folder)
            top = folder / f"{pipeline.top}.v"
            top.write_text(edit(top.read_text(encoding="utf-8")), encoding="utf-8")
            return folder

        monkeypatch.setattr(player, "verilog", edited)

    return broken


def require_told(verdict: NetworkVerdict, says: str) -> None:
    (failure,) = verdict.failures
    assert says in failure, failure
    assert "\n  replay    make repro CASE=" in failure
    wrong = [stage.fold.stage.name for stage in verdict.stages if stage.mismatches]
    if wrong:
        assert says.startswith(f"stage {wrong[0]},")
    else:
        assert not any(stage.results for stage in verdict.stages)
        assert re.search(r"moved: .*tap_conv=\d+.*tap_conv beats expected: \d", failure)


@pytest.mark.sim
@pytest.mark.parametrize("name", IN_THE_TOP)
def test_a_bug_in_the_top_is_told_with_its_stage(name: str, break_top: Any) -> None:
    bug = IN_THE_TOP[name]
    break_top(bug.edit)
    require_told(play_tiny(), bug.says)


@pytest.mark.sim
@pytest.mark.parametrize("name", IN_UNITS)
def test_a_bug_in_a_unit_is_told_with_its_stage(
    name: str, monkeypatch: Patch, tmp_path: Path
) -> None:
    rtl = planted((BUGS | STREAM_BUGS)[name], tmp_path)
    monkeypatch.setattr(player, "verilog", lambda pipeline: verilog(pipeline, rtl))
    require_told(play_tiny(), IN_UNITS[name])


@pytest.mark.sim
@pytest.mark.parametrize("sim", simulators())
def test_replay_of_a_failure_fails_on_that_verilog_alone(
    sim: str, break_top: Any, capfd: Capture
) -> None:
    """Of one image, which leaves the streams inside idle behind it."""
    break_top(IN_THE_TOP["lanes that change places between stages"].edit)
    verdict = play("tiny", TINY, IMAGES_OF_TINY.first(1), ASKED)
    (failure,) = verdict.failures
    asked = re.search(r"make repro CASE=(\S+) RTL=(\S+)$", failure)
    assert asked is not None
    case, broken = asked.groups()
    assert cli.main(["repro", case, "--rtl", broken, "--sim", sim]) == cli.FAILED
    assert "MISMATCH  beat 0 of tap_depthwise" in capfd.readouterr().out
    whole = str(verilog(verdict.pipeline))
    assert cli.main(["repro", case, "--rtl", whole, "--sim", sim]) == 0


# The command line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: Patch) -> Path:
    """An empty folder but for the tiny network, its images, and what is none of both."""
    monkeypatch.chdir(tmp_path)
    TINY.save(Path("tiny.npz"))
    IMAGES_OF_TINY.save(Path("images.npz"))
    TINY.stages[0].layer.save(Path("layer.npz"))
    wide = Format(8, signed=False)
    LabelledInputs(np.ones((2, 39), np.int64), np.zeros(2, np.int64), U3).save(Path("short.npz"))
    LabelledInputs(np.full((2, 40), 9), np.zeros(2, np.int64), wide).save(Path("wide.npz"))
    *inner, last = TINY.stages
    renamed = replace(TINY, stages=(*inner, replace(last, name="scores_")))
    renamed.save(Path("renamed.npz"))
    return tmp_path


TINY_ASKED = ["--network", "tiny.npz", "--inputs", "images.npz", "--acc", "7", "--cycles", "200"]


def with_inputs(name: str, network: str = "tiny.npz") -> list[str]:
    return ["--network", network, "--inputs", name]


NO_STALL = "STALL must be STREAM=PATTERN with input, output, each once, got"
REFUSED = {
    "ACC of 1": (["--acc", "1"], "ACC must be an integer from 2 to 63, got '1'"),
    "ACC of 64": (["--acc", "64"], "ACC must be an integer from 2 to 63, got '64'"),
    "ACC below the trained": (["--acc", "9"], "ACC must be at least 10, where the trained"),
    "NETWORK unknown": (["--network", "rnn"], "NETWORK must be cnn or mlp or a file (.npz), got"),
    "NETWORK missing": (with_inputs("images.npz", "no.npz"), "no.npz must be an a2q-network file"),
    "NETWORK a layer": (with_inputs("images.npz", "layer.npz"), "layer.npz must be an a2q-network"),
    "NETWORK alone": (["--network", "tiny.npz"], "INPUTS must name labelled inputs for tiny.npz"),
    "stage name": (with_inputs("images.npz", "renamed.npz"), "a stage of a pipeline must have a"),
    "INPUTS alone": (["--inputs", "images.npz"], "INPUTS must come with a NETWORK file"),
    "INPUTS missing": (with_inputs("none.npz"), "none.npz must be an a2q-inputs file"),
    "INPUTS a network": (with_inputs("tiny.npz"), "tiny.npz must be an a2q-inputs file"),
    "INPUTS too short": (with_inputs("short.npz"), "images of tiny must have 5x4x2 values, got 39"),
    "INPUTS too wide": (with_inputs("wide.npz"), "images must fit unsigned 3-bit integers"),
    "IMAGES of 0": (["--images", "0"], "IMAGES must be an integer from 1 to 360, got '0'"),
    "IMAGES too many": (["--images", "361"], "IMAGES must be an integer from 1 to 360, got '361'"),
    "CYCLES of 0": (["--cycles", "0"], "CYCLES must be an integer from 1 to 2147483647, got '0'"),
    "OVERFLOW unknown": (["--overflow", "clip"], "OVERFLOW must be wrap or saturate, got 'clip'"),
    "SEED negative": (["--seed=-1"], "SEED must be an integer from 0 to 2147483647, got '-1'"),
    "STALL of weights": (["--stall", "weight=never"], NO_STALL),
    "STALL twice": (["--stall", "input=never,input=never"], NO_STALL),
    "STALL without pattern": (["--stall", "input"], NO_STALL),
    "STALL unknown pattern": (["--stall", "output=often"], "a stall pattern must be never"),
    "JSON a folder": (["--json", "."], "JSON must be a regular file that can be written, got ."),
    "JSON nowhere": (["--json", "no/v.json"], "JSON must be a regular file that can be written"),
    "one word too many": (["cnn"], "unrecognized arguments: cnn"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(
    here: Path, capfd: Capture, monkeypatch: Patch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(command, "play", lambda *_: pytest.fail("a network was played"))
    before = sorted(here.iterdir())
    refused(capfd, ["network", "--json", "verdict.json", *arguments], message)
    assert sorted(here.iterdir()) == before


def test_good_input_comes_as_far_as_the_pipeline(here: Path, monkeypatch: Patch) -> None:
    """If this did not get there, no refusal would mean anything."""
    monkeypatch.setattr(command, "play", lambda *_: pytest.fail("a network was played"))
    how = ["--images", "1", "--cycles", "1", "--seed", "0", "--json", "v.json"]
    how += ["--overflow", "saturate", "--stall", "input=every-3,output=never"]
    for arguments in ([], ["--network", "mlp", "--acc", "63"], TINY_ASKED, [*TINY_ASKED, *how]):
        with pytest.raises(pytest.fail.Exception, match="a network was played"):
            cli.main(["network", *arguments])


def as_words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.sim
def test_cycles_that_no_folding_reaches_are_told(here: Path, capfd: Capture) -> None:
    assert cli.main(["network", *TINY_ASKED, "--cycles", "1"]) == 0
    cycles = folded(TINY, 7, WRAP, 1).cycles
    said = as_words(capfd.readouterr().out)
    assert (
        "CYCLES=1 is out of reach: with all lanes that it can have, the slowest unit takes " in said
    )
    assert f"unit takes {cycles} cycles a frame." in said


@pytest.mark.sim
@pytest.mark.parametrize("stalls", [{}, {"input": "every-2", "output": "random-50"}], ids=str)
def test_the_verdict_is_all_that_golden_says(
    here: Path, capfd: Capture, stalls: dict[str, str]
) -> None:
    patterns = ",".join(f"{side}={pattern}" for side, pattern in stalls.items())
    asked = ["network", *TINY_ASKED, "--json", "verdict.json", "--stall", patterns]
    assert cli.main([*asked, "--overflow", "saturate", "--seed", "3"]) == 0
    told = json.loads(Path("verdict.json").read_text(encoding="utf-8"))
    (network,) = told.pop("networks")
    assert told.pop("simulator").startswith("Verilator ")
    assert told == {
        "passed": True, "acc_bits": 7, "overflow": "saturate", "stalls": stalls, "seed": 3,
    }  # fmt: skip

    pipeline = folded(TINY, 7, SATURATE, 200)
    simd = [fold.spec.simd for fold in pipeline.folds]
    golden = run(TINY, TINY.images(IMAGES_OF_TINY.values), 7, SATURATE, simd)
    overflows = [int(stage.overflow.sum()) for stage in golden.stages]
    accuracy = IMAGES_OF_TINY.accuracy(golden.scores)
    assert network["stages"] == [
        {
            "name": fold.stage.name, "unit": fold.unit, "spec": fold.spec.id,
            "cycles_a_frame": fold.cycles, "needed_bits": fold.stage.needed_bits,
            "results": stage.acc.size, "mismatches": 0,
            "overflows_seen": count, "overflows_predicted": count,
        }
        for fold, stage, count in zip(pipeline.folds, golden.stages, overflows, strict=True)
    ]  # fmt: skip
    assert sum(overflows) > 0
    assert (network["name"], network["images"], network["failures"]) == ("tiny", 10, [])
    assert network["safe"] is False
    assert network["accuracy"] == network["golden_accuracy"] == accuracy < 1
    assert network["exact_accuracy"] == 1
    assert (Path(network["verilog"]) / f"{pipeline.top}.v").read_text("utf-8") == pipeline.text
    assert network["cycles_a_frame_predicted"] == pipeline.cycles
    assert 0 < network["latency"] < network["cycles"]
    every = network["cycles_a_frame"]
    assert every > pipeline.cycles if stalls else every == pipeline.cycles

    out, err = capfd.readouterr()
    assert re.fullmatch(r"\[ *[\d.]+ s\] playing 10 images through tiny, tiny\n", err)
    for stage in network["stages"]:
        pe, simd_ = re.search(r"-pe(\d+)-simd(\d+)-", stage["spec"]).groups()
        row = (
            "tiny", stage["name"], stage["unit"], pe, "x", simd_, stage["cycles_a_frame"],
            f"{stage['results']:,}", 0, stage["overflows_seen"], stage["overflows_predicted"],
        )  # fmt: skip
        assert " ".join(map(str, row)) in as_words(out)
    summary = out[out.index("RTL = golden.network, bit for bit, in all ") : out.index("PASSED")]
    assert (
        f"{sum(overflows):,} of {sum(s['results'] for s in network['stages']):,} results" in summary
    )
    assert f"{accuracy:.1%} from the RTL's outputs" in summary
    assert "100.0% with unlimited accumulators" in summary
    assert f"the folding predicts{f' {pipeline.cycles}' if stalls else ''}\n" in summary
    assert f"{100_000_000 / every:,.0f} frames a second at 100 MHz" in summary
    assert f"after {network['latency']:,} cycles" in summary
    assert "is out of reach" not in out
    _, blank, first, *others, _ = summary.splitlines()
    assert (blank, first[:5]) == ("", "tiny:")
    for line in others:
        assert not line or line.startswith("  "), (
            "a line that is too long is broken by the terminal"
        )


@pytest.mark.sim
def test_a_failure_is_told_and_ends_with_status_1(
    here: Path, capfd: Capture, break_top: Any
) -> None:
    break_top(IN_THE_TOP["thresholds of the neighbour"].edit)
    assert cli.main(["network", *TINY_ASKED, "--json", "verdict.json"]) == cli.FAILED
    told = json.loads(Path("verdict.json").read_text(encoding="utf-8"))
    (network,) = told["networks"]
    assert told["passed"] is False
    (failure,) = network["failures"]
    out = capfd.readouterr().out
    assert failure in out
    assert "MISMATCH  beat 0 of stage depthwise, tap_depthwise\n" in failure
    assert [stage["mismatches"] > 0 for stage in network["stages"]] == [False, True, True]
    assert "tiny: not judged" in out
    assert "FAILED  Verilog: " in out
    assert "PASSED" not in out
    assert "bit for bit" not in out


@pytest.mark.sim
def test_a_top_that_does_not_build_ends_with_status_1(
    here: Path, capfd: Capture, break_top: Any
) -> None:
    break_top(instead(r"\.DEPTH\(3\)", ".DEPTH(1)"))
    assert cli.main(["network", *TINY_ASKED, "--json", "verdict.json"]) == cli.FAILED
    assert "\na2q: network_tiny does not build: " in capfd.readouterr().err
    assert not Path("verdict.json").exists()
